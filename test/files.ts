import { type Dirent, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Everything beneath a directory but directories, links as links. Node 24's readdir goes through links where it is asked for
 * all levels, and /sys is full of circles.
 */
export function filesBeneath(directory: string): { readonly path: string; readonly entry: Dirent }[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    return entry.isDirectory() ? filesBeneath(path) : [{ path, entry }]
  })
}
