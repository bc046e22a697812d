import { lstatSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { configWritableByOthers } from '../errors/config.js'

const GROUP_OR_OTHER_WRITE = 0o022
const STICKY = 0o1000

type Ownership = Pick<Stats, 'uid' | 'mode'>

/**
 * Refuses a configuration that others than root could write, or exchange for another: by its owner and mode, and those
 * of the link that leads to it and of every directory above them. An access control list that lets others write shows
 * as the group's write bit (acl(5)).
 * @param file the open file's own ownership
 * @throws {UserError} exit 78 with the chown and chmod that mend it; a system error when something went meanwhile
 */
export function checkOnlyRootWrites(path: string, file: Ownership): void {
  refuse('write', path, file, mending(file))
  for (const { path: passed, uid, mode, isLink } of wayTo(path)) {
    // A link's mode means nothing, and chown would follow it without -h.
    if (isLink) refuse('replace', passed, { uid, mode }, uid === 0 ? [] : ['chown -h root:root'])
    else {
      // In a sticky directory such as /tmp only root can exchange root's file (unlink(2), rename(2): EPERM).
      const risk = (mode & STICKY) === 0 ? mode : 0
      refuse('replace', passed, { uid, mode }, mending({ uid, mode: risk }))
    }
  }
}

/** A directory or link that leads to a file. */
interface Passed extends Ownership {
  readonly path: string
  readonly isLink: boolean
}

/** As many as the kernel follows (linux/namei.h, MAXSYMLINKS). */
const MOST_LINKS = 40

/**
 * Every directory and link that the kernel passes on the way to a file, the last first: who may exchange one can exchange
 * all that is behind it.
 */
function wayTo(file: string): Passed[] {
  const passed = new Map<string, Passed>()
  const pass = (path: string) => {
    const stats = lstatSync(path)
    passed.set(path, { path, uid: stats.uid, mode: stats.mode, isLink: stats.isSymbolicLink() })
    return stats
  }
  pass('/')
  const rest = (file.startsWith('/') ? file : `${process.cwd()}/${file}`).split('/')
  let real = ''
  let links = 0
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '' || name === '.') continue
    if (name === '..') {
      real = real.slice(0, Math.max(0, real.lastIndexOf('/')))
      continue
    }
    const path = `${real}/${name}`
    const stats = pass(path)
    if (!stats.isSymbolicLink()) {
      real = path
      continue
    }
    links++
    if (links > MOST_LINKS) throw Object.assign(new Error('too many links'), { code: 'ELOOP', path: file })
    const target = readlinkSync(path)
    if (target.startsWith('/')) real = ''
    rest.unshift(...target.split('/'))
  }
  // The file itself has been looked at, open.
  passed.delete(real)
  return [...passed.values()].reverse()
}

/** Whether nobody but root can write a file, or exchange it for another. */
export function onlyRootWrites(path: string): boolean {
  try {
    checkOnlyRootWrites(path, statSync(path))
    return true
  } catch {
    return false
  }
}

/** The commands that take from others what they must not have. */
function mending({ uid, mode }: Ownership): string[] {
  return [
    ...(uid === 0 ? [] : ['chown root:root']),
    ...((mode & GROUP_OR_OTHER_WRITE) === 0 ? [] : ['chmod go-w']),
  ]
}

function refuse(
  effect: 'write' | 'replace',
  path: string,
  { uid, mode }: Ownership,
  mend: readonly string[],
): void {
  if (mend.length > 0) throw configWritableByOthers({ effect, path, owner: uid, mode: mode & 0o7777, mend })
}
