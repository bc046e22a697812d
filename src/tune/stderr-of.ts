import { readlinkSync } from 'node:fs'
import { ownerOf } from '../host/process.js'
import { writeThroughLink } from '../report/by-path.js'

/**
 * Writes to the stderr that a process of this user has now. Never as root: a descriptor is whatever its process makes of
 * it, and only what this user may do anyway is done by it.
 * @returns false when it was not written
 */
export function writeToStderrOf(pid: number, text: string): boolean {
  const user = process.geteuid?.()
  if (user === 0 || ownerOf(pid) !== user) return false
  const stderr = `/proc/${pid}/fd/2`
  try {
    const path = readlinkSync(stderr)
    if (path === '/dev/null' || path === readlinkSync('/proc/self/fd/2')) return false
    return writeThroughLink(stderr, text)
  } catch {
    return false
  }
}
