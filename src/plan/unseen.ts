import { type CommandLine, findOptions, placeOf } from '../argv/command-line.js'
import type { ReadConfig } from '../argv/files.js'
import { optionOfGroup, parseSet, settableId } from '../argv/set-option.js'
import { describePlace } from '../errors/command-line.js'

/** Options whose sections and `-set`s make devices or memory. */
const TOUCHES: Readonly<Record<string, 'devices' | 'memory'>> = {
  device: 'devices',
  netdev: 'devices',
  net: 'devices',
  nic: 'devices',
  chardev: 'devices',
  drive: 'devices',
  object: 'memory',
  machine: 'memory',
}

/** Paths of the command line's `-readconfig` files, in order. */
export function readConfigPaths(line: CommandLine): string[] {
  return findOptions(line, 'readconfig').flatMap(({ option }) => option.argument?.text ?? [])
}

/**
 * Warns of devices and memory that the passes cannot see: in a `-readconfig` file that could not be read, and by a `-set`
 * whose device is nowhere.
 */
export function unseenWarnings(line: CommandLine, files: readonly ReadConfig[]): string[] {
  return [...fileWarnings(line, files), ...setWarnings(line)]
}

function fileWarnings(line: CommandLine, files: readonly ReadConfig[]): string[] {
  return findOptions(line, 'readconfig').flatMap(({ index, option }) => {
    const path = option.argument?.text ?? ''
    const isRead = files.some((file) => file.path === path && file.text !== null)
    const where = `-readconfig ${path} (option ${placeOf(line, index).number})`
    return isRead ? [] : [`${where} could not be read here: devices and memory in it are not looked at`]
  })
}

/** QEMU before 6.0 takes a `-set` for objects, too (softmmu/vl.c, is_qemuopts_group came then). */
function setWarnings(line: CommandLine): string[] {
  return findOptions(line, 'set').flatMap(({ index, option }) => {
    const set = parseSet(option.argument?.text ?? '')
    const name = set === null ? null : optionOfGroup(set.group)
    if (set === null || name === null || !Object.hasOwn(TOUCHES, name)) return []
    const isSeen = findOptions(line, name).some(
      (found) => found.option.sets?.has(set.key) === true && settableId(found.option) === set.id,
    )
    const place = describePlace({ ...placeOf(line, index), option: `-set ${option.argument?.text}` })
    return isSeen ? [] : [`${place} changes ${TOUCHES[name]} after the plan was made; it is not looked at`]
  })
}
