import {
  type CommandLine,
  type Item,
  newOption,
  type Option,
  placeOf,
  propertiesAt,
} from '../argv/command-line.js'
import { type Properties, parseProperties } from '../argv/properties.js'
import { formatSet, groupForSet, settableId, withSets } from '../argv/set-option.js'
import { describePlace } from '../errors/command-line.js'
import { cannotRewrite, cannotUnset } from '../errors/plan.js'

/** What a pass wants changed, by index into the command line it was given, with the reason for a person. */
export type Edit =
  | { readonly kind: 'replace'; readonly index: number; readonly argument: string; readonly reason: string }
  | {
      readonly kind: 'append'
      readonly option: string
      readonly argument: string | null
      readonly reason: string
    }
  | { readonly kind: 'remove'; readonly index: number; readonly reason: string }

/** One change as the plan's JSON shows it. */
export interface Change {
  readonly pass: string
  readonly option: string
  readonly before: string | null
  readonly after: string | null
  readonly reason: string
}

/**
 * Applies a pass's edits at once. An index may be edited once: a pass that has two things to say of one argument says
 * them in one edit. A replacement that writes what is there already is no change. What a `-readconfig` file says stays
 * there: an option after it overrides it.
 * @throws {UserError} exit 65 for what no option can override
 */
export function applyEdits(
  line: CommandLine,
  pass: string,
  edits: readonly Edit[],
): { readonly line: CommandLine; readonly changes: readonly Change[] } {
  if (edits.length === 0) return { line, changes: [] }
  const items: (Item | null)[] = [...line]
  const changes: Change[] = []
  const append = (option: string, argument: string | null, reason: string) => {
    items.push(newOption(option, argument))
    changes.push({ pass, option: `-${option}`, before: null, after: argument ?? '', reason })
  }
  for (const edit of edits) {
    const { reason } = edit
    if (edit.kind === 'append') {
      append(edit.option, edit.argument, reason)
      continue
    }
    const item = line[edit.index]
    if (item?.kind !== 'option') throw new RangeError(`pass ${pass}: no option at ${edit.index}`)
    const before = item.argument?.text ?? ''
    if (edit.kind === 'remove') {
      if (item.section !== undefined) throw unwritable(item, null, reason)
      items[edit.index] = null
      changes.push({ pass, option: item.word.text, before, after: null, reason })
      continue
    }
    const { argument, sets, merges } = rewrite(line, item, edit)
    if (argument !== before || sets.length > 0) {
      const written = argument === before ? item : { ...item, argument: { text: argument, position: null } }
      items[edit.index] = sets.length === 0 ? written : withSets(written, sets)
    }
    if (argument !== before) changes.push({ pass, option: item.word.text, before, after: argument, reason })
    for (const { argument: set } of sets) append('set', set, reason)
    if (merges !== null) append(item.name, merges, reason)
  }
  return { line: items.filter((item) => item !== null), changes }
}

/** How a replacement is written. */
interface Rewritten {
  /** The option's own argument. */
  readonly argument: string
  /** `-set` options to add. */
  readonly sets: readonly { readonly key: string; readonly value: string; readonly argument: string }[]
  /** The argument of one more such option, of those that merge; null for none. */
  readonly merges: string | null
}

type Replacement = Extract<Edit, { readonly kind: 'replace' }>

function rewrite(line: CommandLine, item: Option, { index, argument, reason }: Replacement): Rewritten {
  if (item.section === undefined && item.sets === undefined) {
    return { argument, sets: [], merges: null }
  }
  const before = propertiesAt(line, index)
  const after = parseProperties(argument, item.spec ?? {})
  const gone = before.keys.filter((key) => after.get(key) === undefined)
  const changed = after.keys.filter((key) => after.get(key) !== before.get(key))
  return item.section === undefined
    ? aroundSets(line, index, item, { after, gone, changed })
    : afterFile(item, { after, gone, changed }, reason)
}

interface Difference {
  readonly after: Properties
  readonly gone: readonly string[]
  readonly changed: readonly string[]
}

/** Of an option that `-set` changes, keys that it changes can be set by one more alone. */
function aroundSets(
  line: CommandLine,
  index: number,
  item: Option,
  { after, gone, changed }: Difference,
): Rewritten {
  const isSet = (key: string) => item.sets?.has(key) === true
  const [stuck] = gone.filter(isSet)
  if (stuck !== undefined) throw cannotUnset({ key: stuck, place: describePlace(placeOf(line, index)) })
  const own = parseProperties(item.argument?.text ?? '', item.spec ?? {})
  const without = gone.reduce((rest, key) => rest.delete(key), own)
  const ours = changed.filter((key) => !isSet(key))
  const written = ours.reduce((rest, key) => rest.set(key, after.get(key) ?? ''), without)
  const sets = changed.filter(isSet).flatMap((key) => setOf(item, key, after.get(key) ?? '') ?? [])
  return { argument: written.text, sets, merges: null }
}

/** What a file says is overridden by what comes after it: options that merge, and `-set` for what has an id. */
function afterFile(item: Option, { after, gone, changed }: Difference, reason: string): Rewritten {
  const argument = item.argument?.text ?? ''
  if (gone.length === 0 && item.spec?.repeats === 'merge') {
    const merges = parseProperties('', {})
    const written = changed.reduce((rest, key) => rest.set(key, after.get(key) ?? ''), merges)
    return { argument, sets: [], merges: changed.length === 0 ? null : written.text }
  }
  const sets = changed.map((key) => setOf(item, key, after.get(key) ?? ''))
  const possible = sets.filter((set) => set !== null)
  if (gone.length > 0 || possible.length < sets.length)
    throw unwritable(item, { after, gone, changed }, reason)
  return { argument, sets: possible, merges: null }
}

function setOf(item: Option, key: string, value: string) {
  const group = groupForSet(item.name)
  const id = settableId(item)
  const argument = group === null || id === null ? null : formatSet({ group, id, key, value })
  return argument === null ? null : { key, value, argument }
}

function unwritable(item: Option, difference: Difference | null, reason: string): Error {
  const { section } = item
  if (section === undefined) throw new RangeError('an option of the command line can be written')
  const wanted = difference?.changed.map((key) => `${key} = "${difference.after.get(key)}"`) ?? []
  const unwanted = difference?.gone ?? null
  return cannotRewrite({ section, option: item.word.text, wanted, unwanted, reason })
}
