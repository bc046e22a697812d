import { malformedArgument, missingArgument, type OptionPlace } from '../errors/command-line.js'
import { findOption, type OptionSpec } from './options.js'
import { MalformedArgument, type Properties, parseProperties, setAll } from './properties.js'

/** One word of the command line. `position` is its place in the launcher's "$@", null when the plan has made it. */
export interface Word {
  readonly text: string
  readonly position: number | null
}

/** An option with its argument, or a disk image by its place (`qemu-system-x86_64 disk.img`). */
export type Item = Option | Image

export interface Option {
  readonly kind: 'option'
  /** Name without dashes, with `-M` as `machine`. */
  readonly name: string
  /** null for an option that no known QEMU has. */
  readonly spec: OptionSpec | null
  readonly word: Word
  readonly argument: Word | null
  /** Where a `-readconfig` file says it; absent for the command line's own options. It cannot be written back. */
  readonly section?: FileSection
  /** What `-set` changes of it, by key; absent for nothing. */
  readonly sets?: ReadonlyMap<string, string>
}

/** A section of a `-readconfig` file. */
interface FileSection {
  readonly path: string
  readonly group: string
  readonly id: string | null
  readonly lineNumber: number
}

interface Image {
  readonly kind: 'image'
  readonly word: Word
}

/** QEMU's command line without the emulator, in order. */
export type CommandLine = readonly Item[]

/** What the parser must know of an option: whether the next word is its argument. */
export type OptionLookup = (spelled: string) => OptionSpec | null

/**
 * Reads QEMU's command line as QEMU does (softmmu/vl.c, lookup_opt): `--x` is `-x`; a word without a dash is an image;
 * the word after an option that takes an argument is that argument, whatever it looks like. An unknown option takes the
 * next word if that does not start with a dash. Nothing is lost: see `renderWords`.
 */
export function parseCommandLine(words: readonly Word[], lookup: OptionLookup = findOption): CommandLine {
  const items: Item[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at]
    if (word === undefined) continue
    if (!word.text.startsWith('-')) {
      items.push({ kind: 'image', word })
      continue
    }
    const spec = lookup(word.text)
    const next = words[at + 1]
    const takesNext = spec === null ? next?.text.startsWith('-') === false : spec.takesArgument
    items.push({
      kind: 'option',
      name: spec?.aliasOf ?? spec?.name ?? word.text.replace(/^--?/, ''),
      spec,
      word,
      argument: takesNext ? (next ?? null) : null,
    })
    if (takesNext) at++
  }
  return items
}

/** Words of a list of texts that stand at 1, 2, 3… in the launcher's "$@". */
export function wordsOf(texts: readonly string[]): Word[] {
  return texts.map((text, index) => ({ text, position: index + 1 }))
}

/** Every word of the command line in order: the inverse of `parseCommandLine`. What files say is left to QEMU to read. */
export function renderWords(line: CommandLine): Word[] {
  return line.flatMap((item) => {
    if (isInFile(item)) return []
    return item.kind === 'option' && item.argument !== null ? [item.word, item.argument] : [item.word]
  })
}

/** What the command line itself has, without what its files say. */
export function ownItems(line: CommandLine): Item[] {
  return line.filter((item) => !isInFile(item))
}

function isInFile(item: Item | undefined): boolean {
  return item?.kind === 'option' && item.section !== undefined
}

/** An option that the plan adds. */
export function newOption(name: string, argument: string | null): Option {
  const made = (text: string): Word => ({ text, position: null })
  return {
    kind: 'option',
    name,
    spec: findOption(`-${name}`),
    word: made(`-${name}`),
    argument: argument === null ? null : made(argument),
  }
}

/** An option's place in the command line, with what it holds. */
export interface Found {
  /** Index into the command line. */
  readonly index: number
  readonly option: Option
}

/** Options of a command line by name: passes ask for one after the other. */
const byName = new WeakMap<CommandLine, ReadonlyMap<string, readonly Found[]>>()

/** All options of a name, in order. */
export function findOptions(line: CommandLine, name: string): readonly Found[] {
  let found = byName.get(line)
  if (found === undefined) {
    found = groupByName(line)
    byName.set(line, found)
  }
  return found.get(name) ?? []
}

function groupByName(line: CommandLine): ReadonlyMap<string, readonly Found[]> {
  const groups = new Map<string, Found[]>()
  for (const [index, option] of line.entries()) {
    if (option.kind !== 'option') continue
    const group = groups.get(option.name)
    if (group === undefined) groups.set(option.name, [{ index, option }])
    else group.push({ index, option })
  }
  return groups
}

/** What was read of an option's argument: many passes look at it, and nothing changes it. */
const read = new WeakMap<Option, Properties>()

/**
 * Reads the argument of an option at a place in the command line.
 * @throws {UserError} exit 65 when it is missing or malformed, with the option's number
 */
export function propertiesAt(line: CommandLine, index: number): Properties {
  const option = line[index]
  if (option?.kind !== 'option') throw new RangeError(`no option at ${index}`)
  if (option.argument === null) throw missingArgument(placeOf(line, index))
  const known = read.get(option)
  if (known !== undefined) return known
  const { spec } = option
  try {
    const own = parseProperties(option.argument.text, spec ?? {})
    const properties = setAll(own, Object.fromEntries(option.sets ?? []))
    read.set(option, properties)
    return properties
  } catch (error) {
    if (error instanceof MalformedArgument) {
      throw malformedArgument({
        ...placeOf(line, index),
        argument: option.argument.text,
        reason: error.message,
      })
    }
    throw error
  }
}

/**
 * Checks that no option lacks its argument, as QEMU does (`-D: requires an argument`): it would take what is added after
 * it.
 * @throws {UserError} exit 65
 */
export function checkArguments(line: CommandLine): void {
  const index = line.length - 1
  const last = line[index]
  if (last?.kind === 'option' && last.spec?.takesArgument === true && last.argument === null) {
    throw missingArgument(placeOf(line, index))
  }
}

/** How an option is spelled and its number, counted from 1 and without images, as messages say it; or its section. */
export function placeOf(line: CommandLine, index: number): OptionPlace {
  const item = line[index]
  const section = item?.kind === 'option' ? item.section : undefined
  const before = line.slice(0, index + 1)
  const number = before.filter((one) => one.kind === 'option' && !isInFile(one)).length
  return { option: item?.word.text ?? '', number, ...(section === undefined ? {} : { section }) }
}

/**
 * The value that QEMU ends up with for a key of an option that merges when it is repeated (`-machine`, `-m`, `-name`,
 * `-smp`): the last one given.
 */
export function mergedValue(line: CommandLine, name: string, key: string): string | undefined {
  return findOptions(line, name)
    .map(({ index }) => propertiesAt(line, index).get(key))
    .findLast((value) => value !== undefined)
}
