import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { readProc } from '../proc.js'
import { askProgram } from '../program.js'
import { errorCode, listDirectory, readLink } from '../sysfs.js'
import { parseNamespaces } from './namespace-list.js'

/** A network namespace other than this process's, and a file that nsenter(1) takes it by. */
export interface Namespace {
  /** `net:[4026531840]` */
  readonly id: string
  readonly path: string
}

/** Runs a program in a namespace; see `askProgram`. */
export type Ask = (command: readonly string[]) => string | null

/**
 * How often those are looked for again whose process has ended. A number of a namespace that has ended is soon that of another
 * (Linux fs/proc/generic.c, proc_alloc_inum), so that it may seem to stay.
 */
const ROUNDS = 6

/**
 * Looks into namespaces that were listed, each of which may end at any time, or go on with other processes than it had: any
 * user can make such ones all the time. One that no list has any more is no use of anything. One that stays and cannot be
 * looked into may be.
 * @param listed by `otherNamespaces`
 * @param end until when, by Date.now(), those whose process has ended are looked for
 * @param look null when it could not
 * @returns by their id, what was found, null where it could not be looked; without those that are gone
 */
export function lookInto(
  listed: readonly Namespace[],
  end: number,
  look: (ask: Ask, namespace: Namespace) => string | null,
): ReadonlyMap<string, string | null> {
  const wanted = new Set(listed.map(({ id }) => id))
  const found = new Map<string, string | null>()
  const lookAtAll = (namespaces: Iterable<Namespace>) => {
    for (const namespace of namespaces) {
      if (wanted.size === 0) return
      const answer = wanted.has(namespace.id) ? lookAt(namespace, look) : MISSED
      if (answer === MISSED) continue
      found.set(namespace.id, answer)
      wanted.delete(namespace.id)
    }
  }
  lookAtAll(listed)
  for (let round = 0; round < ROUNDS && wanted.size > 0 && Date.now() < end; round++) {
    // Its process has ended since it was listed, and may have left it to others, which are found sooner than lsns lists them.
    lookAtAll(namespacesOfProcesses())
    const still = otherNamespaces()
    if (still === null) break
    const ids = new Set(still.map(({ id }) => id))
    for (const id of wanted) if (!ids.has(id)) wanted.delete(id)
    lookAtAll(still)
  }
  for (const id of wanted) found.set(id, null)
  return found
}

/** It is not where it was listed, as far as is seen. */
const MISSED = Symbol('missed')

/** A namespace that is open stays, and is the one that was meant: the number of a process may be another one's by now. */
function lookAt(
  namespace: Namespace,
  look: (ask: Ask, namespace: Namespace) => string | null,
): string | null | typeof MISSED {
  const { path } = namespace
  const byPath: Ask = (command) => askProgram(['nsenter', `--net=${path}`, ...command])
  const file = openNamespace(namespace)
  if (file === MISSED) return MISSED
  // Where AppArmor keeps it from this process, nsenter may see it, and nobody says whether it has ended.
  if (file === null) return look(byPath, namespace) ?? MISSED
  try {
    return look(
      (command) => askProgram(['nsenter', '--net=/proc/self/fd/0', ...command], file) ?? byPath(command),
      namespace,
    )
  } finally {
    closeSync(file)
  }
}

/** @returns null when it may be there and is not this process's to open */
function openNamespace({ id, path }: Namespace): number | null | typeof MISSED {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    if (`net:[${fstatSync(file).ino}]` === id) return file
    closeSync(file)
    return MISSED
  } catch (error) {
    return ['ENOENT', 'ESRCH'].includes(errorCode(error) ?? '') ? MISSED : null
  }
}

/** Those of all processes, the newest first: what changes its processes all the time has it by one of these. */
function* namespacesOfProcesses(): Generator<Namespace> {
  const pids = (listDirectory('/proc') ?? []).filter((name) => /^\d+$/.test(name)).map(Number)
  for (const pid of pids.sort((a, b) => b - a)) {
    const path = `/proc/${pid}/ns/net`
    const id = readLink(path)
    if (id !== null) yield { id, path }
  }
}

/**
 * Whether a namespace has its loopback interface alone, which none is without (Linux drivers/net/loopback.c, loopback_net_init).
 * No program is needed to see that, so that thousands of empty namespaces take little time. A process that changes to another
 * namespace and back while it is looked at could hide a use from this only where it may do so in both: its own.
 */
export function isEmptyNamespace({ id, path }: Namespace): boolean {
  const [, pid] = /^\/proc\/(\d+)\/ns\/net$/.exec(path) ?? []
  if (pid === undefined) return false
  // proc_pid_net(5): two lines of headings, then one for each interface.
  const lines = readProc(`/proc/${pid}/net/dev`)?.trimEnd().split('\n') ?? []
  return lines.length === 3 && readLink(path) === id
}

/** This process's network namespace. */
export function ownNamespace(): string | null {
  return readLink('/proc/self/ns/net')
}

/**
 * Namespaces of processes, and those that are mounted to be kept without one (`ip netns add`, container engines). Of
 * processes lsns(8) is asked: libvirt's AppArmor profile, which its hook has, keeps confined processes' from us, not from it.
 * @returns null when they cannot be listed
 */
export function otherNamespaces(): Namespace[] | null {
  const listed = parseNamespaces(lsns(askProgram, 'NS,PID'))
  if (listed.length === 0) return null
  const found = new Map(listed.map(({ ns, pid }) => [`net:[${ns}]`, `/proc/${pid}/ns/net`]))
  // proc(5): the fourth field is the root within the file system, the fifth where it is mounted.
  for (const line of mounts()) {
    const [, , , id = '', path = ''] = line.split(' ')
    if (id.startsWith('net:[')) found.set(id, path)
  }
  const own = ownNamespace()
  return [...found].filter(([id]) => id !== own).map(([id, path]) => ({ id, path }))
}

/**
 * lsns fails where a process ends while it is looked at: five of 400 times with util-linux 2.38 beside processes that come and go,
 * which any user can make.
 */
const TRIES = 10

/**
 * What lsns prints of network namespaces.
 * @param columns as its --output takes them
 * @returns null when it cannot be asked, or fails each time
 */
export function lsns(ask: Ask, columns: string): string | null {
  for (let tries = 0; tries < TRIES; tries++) {
    const text = ask(['lsns', '--json', '--type', 'net', '--output', columns])
    if (text !== null) return text
  }
  return null
}

function mounts(): string[] {
  try {
    return readFileSync('/proc/self/mountinfo', 'latin1').split('\n')
  } catch {
    return []
  }
}
