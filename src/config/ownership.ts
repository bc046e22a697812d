import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs'
import { configWritableByOthers } from '../errors/config.js'
import { directoryOf } from '../units/path.js'

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
  const real = realpathSync(path)
  const link = lstatSync(path)
  // A link's mode means nothing, and chown would follow it without -h.
  if (link.isSymbolicLink()) refuse('replace', path, link, link.uid === 0 ? [] : ['chown -h root:root'])
  for (const directory of new Set([path, real].flatMap(directoriesAbove))) {
    const link = lstatSync(directory)
    if (link.isSymbolicLink() && link.uid !== 0) refuse('replace', directory, link, ['chown -h root:root'])
    const { uid, mode } = statSync(directory)
    // In a sticky directory such as /tmp only root can exchange root's file (unlink(2), rename(2): EPERM).
    const risk = (mode & STICKY) === 0 ? mode : 0
    refuse('replace', directory, { uid, mode }, mending({ uid, mode: risk }))
  }
}

/** From the nearest to the root; who may write one of them can exchange all that is below. */
function directoriesAbove(path: string): string[] {
  const directory = directoryOf(path)
  return directory === path || directory === '.' ? [directory] : [directory, ...directoriesAbove(directory)]
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
