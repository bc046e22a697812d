import { type JsonMember, type JsonObject, JsonSyntaxError, MAX_NESTING, parseJsonObject } from './json.js'
import { type KeyvalEntry, keyvalImplied, keyvalPair, parseKeyval, renderKeyval } from './keyval.js'
import type { OptionSpec } from './options.js'

/** A value to write. In keyval a boolean is on/off and a number its digits; in JSON each keeps its type. */
export type PropertyValue = string | boolean | bigint

/**
 * One view over a keyval and a JSON argument. Nothing is changed in place: `set` and `delete` give the new text, in
 * which everything but that key stands as it stood.
 */
export interface Properties {
  readonly text: string
  readonly keys: readonly string[]
  /** The value as QEMU reads it: the last one when the key is repeated; JSON booleans as `on`/`off`. */
  get(key: string): string | undefined
  set(key: string, value: PropertyValue): Properties
  delete(key: string): Properties
}

/** Why an argument cannot be read, for a message. */
export class MalformedArgument extends Error {}

/** How an option's argument is read. */
type Syntax = Partial<Pick<OptionSpec, 'impliedKey' | 'dashes' | 'signs'>>

/**
 * Reads an option's argument.
 * @param syntax of the option; of one that QEMU takes JSON for, a `{` at the start means JSON
 * @throws {MalformedArgument} when it is not well-formed
 */
export function parseProperties(
  text: string,
  { json = false, ...syntax }: Syntax & { readonly json?: boolean },
): Properties {
  return json && text.startsWith('{') ? jsonProperties(text) : keyvalProperties(text, syntax)
}

/** Sets several keys, in their order. */
export function setAll(properties: Properties, values: Readonly<Record<string, PropertyValue>>): Properties {
  return Object.entries(values).reduce((written, [key, value]) => written.set(key, value), properties)
}

/** Reads a boolean as QEMU does (qapi/qapi-util.c, qapi_bool_parse); null when it is none. */
export function parseSwitch(value: string | undefined): boolean | null {
  if (value === undefined) return null
  if (/^(on|yes|true|y)$/.test(value)) return true
  if (/^(off|no|false|n)$/.test(value)) return false
  return null
}

/** How a value reads in the view, to compare with what `get` gives. */
export function propertyText(value: PropertyValue): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value)
}

function keyvalProperties(text: string, syntax: Syntax): Properties {
  const entries = parseKeyval(text, syntax.impliedKey ?? null)
  const empty = entries.findIndex((entry) => entry.form === 'pair' && entry.key === '')
  if (empty >= 0) throw new MalformedArgument(`a key is missing before '${entries[empty]?.raw}'`)
  return keyvalView(entries, syntax)
}

function keyvalView(entries: readonly KeyvalEntry[], syntax: Syntax): Properties {
  const text = renderKeyval(entries)
  const says = (key: string) => (entry: KeyvalEntry) => meaningOf(entry, key, syntax) !== null
  return {
    text,
    keys: [...new Set(entries.filter((entry) => entry.raw !== '').map((entry) => entry.key))],
    get(key) {
      const meanings = entries.flatMap((entry) => meaningOf(entry, key, syntax) ?? [])
      return meanings.reduce<Meaning | undefined>(
        (best, one) => (best === undefined || one.strength >= best.strength ? one : best),
        undefined,
      )?.value
    },
    set(key, value) {
      const written = propertyText(value)
      const last = entries.findLastIndex(says(key))
      const entry = entries[last]
      if (entry === undefined) return keyvalView(appended(entries, keyvalPair(key, written)), syntax)
      if (this.get(key) === written) return this
      // The key stays as it is spelled: QEMU refuses two spellings of one.
      const spelled = entry.form === 'pair' ? entry.key : key
      const changed = entry.form === 'implied' ? keyvalImplied(key, written) : keyvalPair(spelled, written)
      const isStronger = (one: KeyvalEntry) => (meaningOf(one, key, syntax)?.strength ?? 0) > 0
      return keyvalView(
        entries.with(last, changed).filter((one) => !isStronger(one)),
        syntax,
      )
    },
    delete(key) {
      const kept = entries.filter((entry) => !says(key)(entry))
      if (kept.length === entries.length) return this
      const first = kept[0]
      // A flag that comes to stand first would be read as the implied key's value.
      const safe = first?.form === 'flag' && syntax.impliedKey !== undefined && first.raw !== ''
      return keyvalView(safe ? kept.with(0, keyvalPair(first.key, 'on')) : kept, syntax)
    },
  }
}

/** What an entry says of a key. Of several the strongest counts, of these the last. */
interface Meaning {
  readonly value: string
  readonly strength: number
}

/**
 * What an entry says of a key; null when it is of another. Besides `key=value` there is QemuOpts' short form `nokey` for
 * key=off (util/qemu-option.c, opts_do_parse), and the signs of -cpu.
 */
function meaningOf(
  { key, value, form }: KeyvalEntry,
  wanted: string,
  { dashes, signs }: Syntax,
): Meaning | null {
  // QEMU does so in the name of a member of the machine, not of what is inside of that (smp.max_cpus).
  const spelled = (name: string) =>
    dashes === true ? name.replace(/^[^.]*/, (outer) => outer.replaceAll('_', '-')) : name
  const is = (name: string) => spelled(key) === spelled(name)
  if (is(wanted)) return { value, strength: 0 }
  if (form !== 'flag') return null
  if (is(`no${wanted}`)) return { value: 'off', strength: 0 }
  if (signs === true && is(`+${wanted}`)) return { value: 'on', strength: 1 }
  if (signs === true && is(`-${wanted}`)) return { value: 'off', strength: 2 }
  return null
}

/** Adds an entry; a trailing comma or an empty argument is filled instead of doubled. */
function appended(entries: readonly KeyvalEntry[], entry: KeyvalEntry): KeyvalEntry[] {
  return entries.at(-1)?.raw === '' ? [...entries.slice(0, -1), entry] : [...entries, entry]
}

function jsonProperties(text: string): Properties {
  const values = plainValues(text)
  let object = values === null ? readObject(text) : null
  return jsonView(text, values, () => {
    object ??= readObject(text)
    return object
  })
}

/**
 * What the runtime's own parser reads, many times faster; no text of this length can nest too deeply for QEMU.
 * @returns null for what only QEMU's dialect may have
 */
function plainValues(text: string): Readonly<Record<string, unknown>> | null {
  if (text.length > MAX_NESTING) return null
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function readObject(text: string): JsonObject {
  try {
    return parseJsonObject(text)
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new MalformedArgument(`not valid JSON: ${error.message}`)
    throw error
  }
}

/**
 * @param values strings and booleans are looked up here first; null when this is not known
 * @param object all members with their places, for an edit and for numbers, whose text counts
 */
function jsonView(
  text: string,
  values: Readonly<Record<string, unknown>> | null,
  object: () => JsonObject,
): Properties {
  const find = (key: string) => object().members.findLast((member) => member.key === key)
  const replaced = (member: JsonMember, value: string) =>
    jsonProperties(text.slice(0, member.valueStart) + value + text.slice(member.valueEnd))
  // What keyval writes as cache.direct=on is {"cache":{"direct":true}} here.
  const partsOf = (key: string) => key.split(/\.(.*)/s)
  const inner = (key: string) => {
    const [outer = '', rest] = partsOf(key)
    const member = find(key) === undefined && rest !== undefined ? find(outer) : undefined
    return member?.value.kind === 'nested' && member.value.text.startsWith('{') && rest !== undefined
      ? { member, rest, properties: jsonProperties(member.value.text) }
      : null
  }
  return {
    text,
    get keys() {
      return [...new Set(object().members.map((member) => member.key))]
    },
    get(key) {
      if (values !== null) {
        const known = Object.hasOwn(values, key) ? values[key] : undefined
        if (typeof known === 'string') return known
        if (typeof known === 'boolean') return propertyText(known)
        if (known === undefined && !key.includes('.')) return undefined
      }
      const nested = inner(key)
      if (nested !== null) return nested.properties.get(nested.rest)
      const value = find(key)?.value
      return value?.kind === 'boolean' ? propertyText(value.text === 'true') : value?.text
    },
    set(key, value) {
      const nested = inner(key)
      if (nested !== null) {
        const { member, rest, properties } = nested
        const after = properties.set(rest, value)
        return after === properties ? this : replaced(member, after.text)
      }
      const member = find(key)
      if (member === undefined) {
        // QEMU has no key with a dot there.
        const [outer = '', rest] = partsOf(key)
        if (rest === undefined || find(outer) !== undefined)
          return jsonProperties(withMember(text, object(), key, jsonText(value)))
        return jsonProperties(withMember(text, object(), outer, jsonProperties('{}').set(rest, value).text))
      }
      const asked = asKindOf(member, value)
      if (this.get(key) === propertyText(asked) && sameKind(member, asked)) return this
      return replaced(member, jsonText(asked))
    },
    delete(key) {
      const nested = inner(key)
      if (nested !== null) {
        const after = nested.properties.delete(nested.rest)
        return after === nested.properties ? this : replaced(nested.member, after.text)
      }
      const { members } = object()
      const isThere = members.some((member) => member.key === key)
      return isThere ? jsonProperties(withoutMembers(text, members, key)).delete(key) : this
    },
  }
}

/** A switch in words stays a boolean where one stands: QEMU takes no "on" for it in JSON. */
function asKindOf({ value: { kind } }: JsonMember, value: PropertyValue): PropertyValue {
  const asSwitch = kind === 'boolean' && typeof value === 'string' ? parseSwitch(value) : null
  return asSwitch ?? value
}

function sameKind(member: JsonMember, value: PropertyValue): boolean {
  const kind = typeof value === 'bigint' ? 'number' : typeof value
  return member.value.kind === kind
}

function jsonText(value: PropertyValue): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

/**
 * Appends a member in the spacing of the ones before it.
 * @param value in JSON
 */
function withMember(text: string, object: JsonObject, key: string, value: string): string {
  const last = object.members.at(-1)
  const previous = object.members.at(-2)
  const colon = last === undefined ? ':' : text.slice(last.keyEnd, last.valueStart)
  const comma =
    previous === undefined || last === undefined ? ',' : text.slice(previous.valueEnd, last.keyStart)
  const at = last?.valueEnd ?? object.end
  const member = `${JSON.stringify(key)}${colon}${value}`
  return text.slice(0, at) + (last === undefined ? '' : comma) + member + text.slice(at)
}

/** Takes a key out wherever it stands, each time with the comma before it, or after it where it comes first. */
function withoutMembers(text: string, members: readonly JsonMember[], key: string): string {
  const kept: string[] = []
  let from = 0
  let isFirst = true
  for (const [index, member] of members.entries()) {
    if (member.key !== key) {
      isFirst = false
      continue
    }
    const [start, end] = isFirst
      ? [member.keyStart, members[index + 1]?.keyStart ?? member.valueEnd]
      : [members[index - 1]?.valueEnd ?? 0, member.valueEnd]
    kept.push(text.slice(from, start))
    from = end
  }
  return kept.join('') + text.slice(from)
}
