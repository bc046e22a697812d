/** How libvirt calls its hook (https://libvirt.org/hooks.html). */
export interface HookCall {
  /** The domain's name: libvirt's own, and the only one that it has. */
  readonly domain: string
  /** Such as `prepare`. */
  readonly operation: string
  /** `begin` or `end`. */
  readonly suboperation: string
  /** The domain's XML. Its owner may change what is in the metadata at any time. */
  readonly xml: string
}

/**
 * libvirt writes the UUID as the second element of a domain, before all that its owner says but the name, in which
 * every < is escaped (src/conf/domain_conf.c, virDomainDefFormatInternalSetRootName).
 */
const FIRST_BYTES = 4096

/** The domain's UUID without the XML being parsed; null when it is not found. */
export function uuidOf({ xml }: Pick<HookCall, 'xml'>): string | null {
  const found = /<uuid>([0-9a-fA-F-]{36})<\/uuid>/.exec(xml.slice(0, FIRST_BYTES))?.[1]
  return found?.toLowerCase() ?? null
}
