import type { DomainPolicy } from '../config/policy.js'
import { type PciAddress, parsePciAddress } from '../units/pci-address.js'
import { asList, asObject, asText, parseObject } from './untrusted-json.js'

/** What a VM asks for in its domain's `<metadata>`, which QEMU's command line does not carry. */
export interface DomainRequest {
  readonly profile: string | null
  readonly nics: DomainPolicy['nics']
  /** Names that Nova gives in its own metadata; null without them. */
  readonly flavor: string | null
  readonly instance: string | null
}

/** A NIC's name, and the device that the hook has got ready for it. */
export interface AssignedNic {
  readonly name: string
  readonly address: PciAddress
}

/** What libvirt's hook read in a domain's XML, did as root, and leaves for the wrapper, which may do neither. */
export interface HookRequest extends DomainRequest {
  readonly uuid: string
  readonly guest: string
  readonly assigned: readonly AssignedNic[]
  /** What is to be given back when the VM has ended. */
  readonly taken: readonly TakenDevice[]
}

/** A PCI device that was changed for a VM, as it was before. */
export interface TakenDevice {
  readonly address: PciAddress
  /** The host's driver; null when it had none. Undefined when the driver was left as it is. */
  readonly driver?: string | null
  /** Its /dev/vfio node, whose owner was changed. */
  readonly node?: { readonly path: string; readonly uid: number }
}

/** The text of a request's file. */
export function formatHookRequest(request: HookRequest): string {
  return `${JSON.stringify({ version: 1, ...request })}\n`
}

/** Reads what `formatHookRequest` wrote; null when it is no such text. */
export function parseHookRequest(text: string): HookRequest | null {
  const json = parseObject(text)
  const uuid = asText(json?.uuid)
  if (json?.version !== 1 || uuid === null) return null
  return {
    uuid,
    guest: asText(json.guest) ?? '',
    profile: asText(json.profile),
    nics: parseNics(json.nics),
    flavor: asText(json.flavor),
    instance: asText(json.instance),
    assigned: asList(json.assigned).flatMap((nic) => {
      const address = parsePciAddress(asText(nic.address) ?? '')
      return address === null ? [] : [{ name: asText(nic.name) ?? '', address }]
    }),
    taken: asList(json.taken).flatMap((one) => parseTaken(one) ?? []),
  }
}

function parseNics(json: unknown): DomainPolicy['nics'] {
  const { add, replace } = asObject(json)
  if (Array.isArray(add)) return { add: add.map((name) => asText(name) ?? '') }
  if (typeof replace !== 'object' || replace === null) return null
  return {
    replace: Object.fromEntries(
      Object.entries(replace).map(([device, name]) => [device, asText(name) ?? '']),
    ),
  }
}

function parseTaken(json: Record<string, unknown>): TakenDevice | null {
  const address = parsePciAddress(asText(json.address) ?? '')
  if (address === null) return null
  const { path, uid } = asObject(json.node)
  return {
    address,
    ...(json.driver === undefined ? {} : { driver: asText(json.driver) }),
    ...(typeof path === 'string' && typeof uid === 'number' ? { node: { path, uid } } : {}),
  }
}
