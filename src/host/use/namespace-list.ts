/** What a program of util-linux or iproute2 says of one thing, as JSON. */
export type Answer = Readonly<Record<string, unknown>>

/** What lsns(8) prints. */
export function parseNamespaces(text: string | null): Answer[] {
  const { namespaces } = asObject(parse(text))
  return Array.isArray(namespaces) ? namespaces.map(asObject) : []
}

/** A list as ip(8) prints it; null when it is none. */
export function parseList(text: string | null): Answer[] | null {
  const json = parse(text)
  return Array.isArray(json) ? json.map(asObject) : null
}

function parse(text: string | null): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return null
  }
}

export function asObject(json: unknown): Answer {
  return typeof json === 'object' && json !== null ? (json as Answer) : {}
}
