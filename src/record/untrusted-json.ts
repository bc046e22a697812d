/** A variable of the environment has no more (execve(2), MAX_ARG_STRLEN), and in it a plan travels. */
const MAX_LENGTH = 131_072

/** A plan nests four deep, and has five values for each of 2,000 vCPUs. */
const MAX_DEPTH = 16
const MAX_VALUES = 16_384

/** Parses a JSON object; null when the text is none, or is longer, deeper or of more values than any of ours. */
export function parseObject(text: string): Record<string, unknown> | null {
  if (text.length > MAX_LENGTH) return null
  try {
    const value: unknown = JSON.parse(text)
    return isWithinBounds(value) ? asObject(value) : null
  } catch {
    return null
  }
}

function isWithinBounds(root: unknown): boolean {
  let count = 1
  let nested = [root].filter(isNested)
  for (let depth = 1; nested.length > 0; depth++) {
    const values = nested.flatMap((value) => Object.values(value))
    count += values.length
    if (depth > MAX_DEPTH || count > MAX_VALUES) return false
    nested = values.filter(isNested)
  }
  return true
}

function isNested(value: unknown): value is object {
  return typeof value === 'object' && value !== null
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
