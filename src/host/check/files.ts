import { closeSync, constants, lstatSync, openSync, readSync, type Stats } from 'node:fs'
import { readShortFile } from '../short-file.js'
import { errorCode } from '../sysfs.js'
import type { Root } from '../sysroot.js'
import { expandPattern } from './expand.js'
import type { FileFact, OwnerFact } from './facts.js'

/** Nothing that a check reads is a pipe or a device that is waited for, but a captured host may have anything. */
const FLAGS = constants.O_NONBLOCK | constants.O_NOCTTY

/**
 * Reads every file that fits one of the patterns, up to 64 KiB of each.
 * @returns by path, without the root; and by pattern, for one of which no file could be read: why
 */
export function readFileFacts(root: Root, patterns: readonly string[]): ReadonlyMap<string, FileFact> {
  const facts = new Map<string, FileFact>()
  for (const pattern of patterns) {
    const { paths, why } = expandPattern(root, pattern)
    const read = paths.map((path) => [path, facts.get(path) ?? readFact(root + path)] as const)
    // Of what a pattern may be, only what is there: `cpu*` is cpu0, and cpufreq, too.
    const there = read.filter(([path, fact]) => path === pattern || !isGone(fact))
    for (const [path, fact] of there) facts.set(path, fact)
    if (there.every(([, { text }]) => text === null) && !facts.has(pattern))
      facts.set(pattern, { text: null, why: there.map(([, fact]) => whyOf(fact))[0] ?? why })
  }
  return facts
}

function whyOf(fact: FileFact): string {
  return fact.text === null ? fact.why : ''
}

function isGone(fact: FileFact): boolean {
  return ['ENOENT', 'ENOTDIR', 'ENODEV'].includes(whyOf(fact))
}

/** Reads one file; what was not read is opened once more to learn why. */
function readFact(path: string): FileFact {
  const text = readShortFile(path, FLAGS)
  return text === null ? { text, why: whyNot(path) } : { text: text.trimEnd() }
}

function whyNot(path: string): string {
  try {
    const file = openSync(path, constants.O_RDONLY | FLAGS)
    try {
      readSync(file, Buffer.alloc(1), 0, 1, null)
      return 'EFBIG'
    } finally {
      closeSync(file)
    }
  } catch (error) {
    return errorCode(error) ?? 'EIO'
  }
}

/** Looks at whose the files are that fit the patterns; a link itself, not what it leads to. */
export function readOwners(root: Root, patterns: readonly string[]): ReadonlyMap<string, OwnerFact> {
  const owners = new Map<string, OwnerFact>()
  for (const path of patterns.flatMap((pattern) => expandPattern(root, pattern).paths)) {
    const stats = statOf(root + path)
    if (stats !== null)
      owners.set(path, { kind: kindOf(stats), uid: stats.uid, gid: stats.gid, mode: stats.mode & 0o7777 })
  }
  return owners
}

function statOf(path: string): Stats | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) ?? null
  } catch {
    return null
  }
}

function kindOf(stats: Stats): OwnerFact['kind'] {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  return stats.isCharacterDevice() || stats.isBlockDevice() ? 'device' : 'other'
}
