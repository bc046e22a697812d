/** Parses a JSON object; null when the text is none. */
export function parseObject(text: string): Record<string, unknown> | null {
  try {
    return asObject(JSON.parse(text))
  } catch {
    return null
  }
}

/** The value if it is an object, else an empty one. */
export function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** The objects of a list; none when it is no list. */
export function asList(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map(asObject) : []
}

/** The value if it is a text, else null. */
export function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** The value if it is a whole number that is not negative, else null. */
export function asNumber(value: unknown): number | null {
  return Number.isInteger(value) && Number(value) >= 0 ? Number(value) : null
}
