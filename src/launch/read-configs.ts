import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, statSync } from 'node:fs'
import { decodeBytes } from '../argv/bytes.js'
import type { CommandLine } from '../argv/command-line.js'
import type { ReadConfig } from '../argv/files.js'
import { checkOnlyRootWrites } from '../config/ownership.js'
import type { Request } from '../plan/request.js'
import { withRequestFiles } from '../plan/request-files.js'
import { readConfigPaths } from '../plan/unseen.js'

/** Longer than any `-readconfig` file. */
const MAX_BYTES = 1 << 20

/**
 * A request with what the `-readconfig` files of its command line say. Each is read once.
 * @param directory where relative paths start
 * @param isDomains whether a domain's XML names them: root then reads a file that nobody but root can change and everybody
 *   may read, and no other
 * @throws {UserError} exit 65 for a file that QEMU would refuse
 */
export function readRequestFiles(request: Request, directory: string, isDomains = false): Request {
  return withRequestFiles(request, readFiles(request.line, directory, isDomains))
}

/** Null texts for what could not be read: of a file that is not there QEMU speaks itself. */
function readFiles(line: CommandLine, directory: string, isDomains: boolean): ReadConfig[] {
  const read = isDomains && process.geteuid?.() === 0 ? readRootsFile : readRegularFile
  return [...new Set(readConfigPaths(line))].map((path) => {
    try {
      return { path, text: read(path.startsWith('/') ? path : `${directory}/${path}`) }
    } catch {
      return { path, text: null }
    }
  })
}

/**
 * Null for whatever is no file: what comes out of a pipe once (`-readconfig <(…)`) is QEMU's to read, and merely opening a
 * device may do something (/dev/watchdog).
 */
function readRegularFile(path: string): string | null {
  return statSync(path).isFile() ? readOpened(path, 0) : null
}

const READABLE_BY_ALL = 0o004

/** As nobody but root can exchange it, it is still the same when it is opened. */
function readRootsFile(path: string): string | null {
  const stat = lstatSync(path)
  checkOnlyRootWrites(path, stat)
  const isForAll = (stat.mode & READABLE_BY_ALL) !== 0
  return stat.isFile() && isForAll ? readOpened(path, constants.O_NOFOLLOW) : null
}

function readOpened(path: string, flags: number): string | null {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags)
  try {
    const stat = fstatSync(file)
    return stat.isFile() && stat.size <= MAX_BYTES ? decodeBytes(readFileSync(file)) : null
  } finally {
    closeSync(file)
  }
}
