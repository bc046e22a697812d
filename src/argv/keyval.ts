/** One piece of a keyval argument, between two single commas. */
export interface KeyvalEntry {
  /** The piece as it stands, escapes included. */
  readonly raw: string
  readonly key: string
  /** The value with `,,` read as one comma. */
  readonly value: string
  /** How the key is written: `key=value`, as the first word without a key, or as a flag without a value. */
  readonly form: 'pair' | 'implied' | 'flag'
}

/**
 * Splits `driver,key=value,…` as QEMU does (util/qemu-option.c get_opt_value, util/keyval.c): `,,` is a comma within
 * a value, the first word without `=` is the value of the implied key, a later one is a flag that is on.
 * Joining the entries' `raw` with commas gives the text back, whatever it is.
 * @param impliedKey the option's implied first key; null when it has none
 */
export function parseKeyval(text: string, impliedKey: string | null): KeyvalEntry[] {
  return splitAtSingleCommas(text).map((raw, index) => parseEntry(raw, index === 0 ? impliedKey : null))
}

/** Writes entries back. */
export function renderKeyval(entries: readonly KeyvalEntry[]): string {
  return entries.map((entry) => entry.raw).join(',')
}

/** An entry `key=value` with the value's commas doubled. */
export function keyvalPair(key: string, value: string): KeyvalEntry {
  return { raw: `${key}=${escapeCommas(value)}`, key, value, form: 'pair' }
}

/** The first entry without its key. A value with `=` in it would be read as a pair, so it keeps its key. */
export function keyvalImplied(key: string, value: string): KeyvalEntry {
  if (value.includes('=')) return keyvalPair(key, value)
  return { raw: escapeCommas(value), key, value, form: 'implied' }
}

export function escapeCommas(value: string): string {
  return value.replaceAll(',', ',,')
}

function parseEntry(raw: string, impliedKey: string | null): KeyvalEntry {
  const equals = raw.indexOf('=')
  const comma = raw.indexOf(',')
  // `-name foo,,bar=baz` names a guest: with a comma before it, = is of the value (util/qemu-option.c, get_opt_name_value).
  const isValue = impliedKey !== null && comma >= 0 && comma < equals
  if (equals >= 0 && !isValue) {
    return { raw, key: raw.slice(0, equals), value: unescapeCommas(raw.slice(equals + 1)), form: 'pair' }
  }
  if (impliedKey !== null) return { raw, key: impliedKey, value: unescapeCommas(raw), form: 'implied' }
  return { raw, key: unescapeCommas(raw), value: 'on', form: 'flag' }
}

function splitAtSingleCommas(text: string): string[] {
  const pieces: string[] = []
  let start = 0
  for (let at = text.indexOf(','); at >= 0; at = text.indexOf(',', at)) {
    if (text.charAt(at + 1) === ',') {
      at += 2
      continue
    }
    pieces.push(text.slice(start, at))
    at++
    start = at
  }
  pieces.push(text.slice(start))
  return pieces
}

function unescapeCommas(text: string): string {
  return text.replaceAll(',,', ',')
}
