import { type CommandLine, findOptions, placeOf } from '../argv/command-line.js'

/** A `-readconfig` file, as it was read; null text when it could not be. */
export interface ReadConfig {
  readonly path: string
  readonly text: string | null
}

/** Groups of `-readconfig` and `-set` that can hold devices or memory (QEMU softmmu/vl.c, qemu_find_opts). */
const TOUCHES: Readonly<Record<string, 'devices' | 'memory'>> = {
  device: 'devices',
  netdev: 'devices',
  net: 'devices',
  nic: 'devices',
  chardev: 'devices',
  drive: 'devices',
  object: 'memory',
  memory: 'memory',
  machine: 'memory',
  numa: 'memory',
}

/** Paths of the command line's `-readconfig` files, in order. */
export function readConfigPaths(line: CommandLine): string[] {
  return findOptions(line, 'readconfig').flatMap(({ option }) => option.argument?.text ?? [])
}

/**
 * Warns of devices and memory that the passes cannot see or change, because they are in a `-readconfig` file or come by
 * `-set`.
 */
export function unseenWarnings(line: CommandLine, files: readonly ReadConfig[]): string[] {
  return [...readConfigWarnings(line, files), ...setWarnings(line)]
}

function readConfigWarnings(line: CommandLine, files: readonly ReadConfig[]): string[] {
  return findOptions(line, 'readconfig').flatMap(({ index, option }) => {
    const path = option.argument?.text ?? ''
    const text = files.find((file) => file.path === path)?.text ?? null
    const where = `-readconfig ${path} (option ${placeOf(line, index).number})`
    if (text === null) return [`${where} could not be read here: devices and memory in it are not looked at`]
    const groups = sections(text).filter((section) => Object.hasOwn(TOUCHES, section))
    if (groups.length === 0) return []
    return [
      `${where} defines ${[...new Set(groups)].join(', ')}: these are not looked at; put them on the command line`,
    ]
  })
}

/** The first `-readconfig` file that says how large the RAM is or what backs it; null when none does. */
export function fileWithRam(files: readonly ReadConfig[]): string | null {
  const says = (group: string) => TOUCHES[group] === 'memory' && group !== 'object'
  return files.find(({ text }) => sections(text ?? '').some(says))?.path ?? null
}

/** Section names of a -readconfig file: `[group]` or `[group "id"]` (docs: qemu-config.c, qemu_config_foreach). */
function sections(text: string): string[] {
  return [...text.matchAll(/^[ \t]*\[[ \t]*([\w-]+)/gm)].map(([, group = '']) => group)
}

function setWarnings(line: CommandLine): string[] {
  return findOptions(line, 'set').flatMap(({ index, option }) => {
    const argument = option.argument?.text ?? ''
    const group = argument.split('.')[0] ?? ''
    const touched = Object.hasOwn(TOUCHES, group) ? TOUCHES[group] : undefined
    const where = `-set ${argument} (option ${placeOf(line, index).number})`
    return touched === undefined
      ? []
      : [`${where} changes ${touched} after the plan was made; it is not looked at`]
  })
}
