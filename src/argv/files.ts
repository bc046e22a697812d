import { malformedReadConfig, tooManySections } from '../errors/read-config.js'
import { type CommandLine, findOptions, type Item, newOption, type Option } from './command-line.js'
import { MAX_SECTIONS, MalformedReadConfig, parseReadConfig, type Section } from './read-config.js'
import { isForSet, optionOfGroup, parseSet, settableId, withSets } from './set-option.js'

/** A `-readconfig` file, as it was read; null text when it could not be. */
export interface ReadConfig {
  readonly path: string
  readonly text: string | null
}

/**
 * The command line as QEMU understands it: what `-readconfig` files say stands after the option that names them, as
 * options of their own, and each `-set` is part of what it changes. QEMU takes them in this order (system/vl.c, qemu_init).
 * @param line of words alone
 * @param files what was read of the files that it names
 * @throws {UserError} exit 65 for a file that QEMU would refuse, or that has more in it than any VM
 */
export function withFiles(line: CommandLine, files: readonly ReadConfig[]): CommandLine {
  const isNamed = (name: string) => findOptions(line, name).length > 0
  if (!isNamed('readconfig') && !isNamed('set')) return line
  const items: Item[] = []
  const byId = new Map<string, number>()
  const read = new Map<string, readonly Option[]>()
  const add = (item: Item) => {
    const key = item.kind === 'option' && isNamed('set') ? keyOf(item) : null
    if (key !== null) byId.set(key, items.length)
    items.push(item)
  }
  for (const item of line) {
    add(item)
    if (item.kind === 'image') continue
    const argument = item.argument?.text ?? ''
    if (item.name === 'set') applySet(items, byId, argument)
    if (item.name !== 'readconfig') continue
    const said = read.get(argument) ?? readOptions(argument, textOf(files, argument))
    // A file may be named thousands of times.
    read.set(argument, said)
    for (const option of said) add(option)
    if (items.length > line.length + MAX_SECTIONS)
      throw tooManySections({ path: argument, most: MAX_SECTIONS })
  }
  return items
}

function textOf(files: readonly ReadConfig[], named: string): string {
  return files.find(({ path }) => path === named)?.text ?? ''
}

/** What a file says, as options. */
function readOptions(path: string, text: string): Option[] {
  try {
    return parseReadConfig(text).flatMap((section) => optionOf(section, path) ?? [])
  } catch (error) {
    if (error instanceof MalformedReadConfig) {
      throw malformedReadConfig({ path, lineNumber: error.lineNumber, reason: error.message })
    }
    throw error
  }
}

function optionOf({ group, id, argument, lineNumber }: Section, path: string): Option | null {
  const name = optionOfGroup(group)
  // A section without a key says nothing, and as an argument it would be the implied key's value.
  if (name === null || argument === '') return null
  return { ...newOption(name, argument), section: { path, group, id, lineNumber } }
}

/** Changes the option that a `-set` names, which stands before it. */
function applySet(items: Item[], byId: ReadonlyMap<string, number>, argument: string): void {
  const set = parseSet(argument)
  const at =
    set !== null && isForSet(set.group) ? byId.get(`${optionOfGroup(set.group)} ${set.id}`) : undefined
  const item = at === undefined ? undefined : items[at]
  if (set !== null && at !== undefined && item?.kind === 'option') items[at] = withSets(item, [set])
}

function keyOf(option: Option): string | null {
  const id = settableId(option)
  return id === null ? null : `${option.name} ${id}`
}
