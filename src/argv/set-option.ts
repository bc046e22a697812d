import type { Option } from './command-line.js'
import { MalformedArgument, parseProperties } from './properties.js'

/**
 * Options by the group that a `-readconfig` file has for them. Groups that QEMU has and does not look at when they come
 * from a file are not here (overcommit, icount, msg), nor those that no pass and no rule needs. Sources: the QemuOptsLists
 * of system/vl.c, what that does with each, and query-command-line-options of QEMU 7.2, 10.0 and 11.1.
 */
const GROUPS: Readonly<Record<string, string>> = {
  accel: 'accel',
  chardev: 'chardev',
  device: 'device',
  drive: 'drive',
  fsdev: 'fsdev',
  global: 'global',
  machine: 'machine',
  memory: 'm',
  mon: 'mon',
  name: 'name',
  net: 'net',
  netdev: 'netdev',
  nic: 'nic',
  numa: 'numa',
  object: 'object',
  'smp-opts': 'smp',
  tpmdev: 'tpmdev',
}

/** Groups that QEMU keeps otherwise, so that `-set` cannot change them (system/vl.c, is_qemuopts_group). */
const NOT_FOR_SET: ReadonlySet<string> = new Set(['machine', 'object', 'smp-opts'])

/** The option that a group's sections stand for; null when nothing here looks at it. */
export function optionOfGroup(group: string): string | null {
  return Object.hasOwn(GROUPS, group) ? (GROUPS[group] ?? null) : null
}

/** Whether `-set` can change what is in a group, given its id. */
export function isForSet(group: string): boolean {
  return optionOfGroup(group) !== null && !NOT_FOR_SET.has(group)
}

/** The group by which `-set` changes an option; null when it cannot. */
export function groupForSet(option: string): string | null {
  return Object.keys(GROUPS).find((group) => GROUPS[group] === option && isForSet(group)) ?? null
}

/** What `-set group.id.key=value` changes. */
export interface SetOption {
  readonly group: string
  readonly id: string
  readonly key: string
  readonly value: string
}

/** Words of up to 63 characters without what ends them (system/vl.c, qemu_set_option). */
const SET = /^([^.]{1,63})\.([^.]{1,63})\.([^=]{1,63})=/

/** Reads the argument of a `-set`; null for what QEMU refuses. */
export function parseSet(argument: string): SetOption | null {
  const [all, group, id, key] = SET.exec(argument) ?? []
  if (all === undefined || group === undefined || id === undefined || key === undefined) return null
  return { group, id, key, value: argument.slice(all.length) }
}

/** Writes the argument of a `-set`; null for an id, a key or a length that it cannot have. */
export function formatSet(set: SetOption): string | null {
  const argument = `${set.group}.${set.id}.${set.key}=${set.value}`
  const read = parseSet(argument)
  return read?.id === set.id && read.key === set.key ? argument : null
}

/** An option with what `-set` changes of it. */
export function withSets(option: Option, sets: readonly Pick<SetOption, 'key' | 'value'>[]): Option {
  const all = new Map(option.sets)
  for (const { key, value } of sets) all.set(key, value)
  return { ...option, sets: all }
}

/** The id by which `-set` knows an option; null when it knows none, as of one in JSON. */
export function settableId(option: Option): string | null {
  const text = option.argument?.text ?? ''
  if (option.spec === null || (option.spec.json === true && text.startsWith('{'))) return null
  try {
    return parseProperties(text, { ...option.spec, json: false }).get('id') ?? null
  } catch (error) {
    // Whoever looks at the option says so.
    if (error instanceof MalformedArgument) return null
    throw error
  }
}
