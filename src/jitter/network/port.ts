import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { onlyRootWrites } from '../../config/ownership.js'
import {
  badSocketOption,
  noSocket,
  noSocketDirectory,
  notASocket,
  socketDirectoryOfOthers,
} from '../../errors/jitter-network.js'

/** A vhost-user socket, and who makes it. */
export interface VhostUserSocket {
  readonly path: string
  /** `switch`: QEMU connects to it; `qemu`: the switch connects, now or later. */
  readonly madeBy: 'switch' | 'qemu'
}

/**
 * Reads an option `--socket PATH`, or `--socket PATH,server` for a socket that QEMU makes.
 * @throws {UserError} exit 64 for what is no path
 */
export function parseSocket(text: string): VhostUserSocket {
  const [, path = '', server] = /^(.*?)(,server)?$/s.exec(text) ?? []
  // sun_path (unix(7)) ends at 107 bytes.
  if (!path.startsWith('/') || Buffer.byteLength(path) > 107) throw badSocketOption({ text })
  return { path, madeBy: server === undefined ? 'switch' : 'qemu' }
}

/**
 * Looks whether QEMU can use a socket. It is not connected to: a switch would take that for a guest.
 * @param isRoot whether root's QEMU is to make it: it replaces what is at the path, and so does this program at the end
 * @throws {UserError} exit 69 when it cannot; 77 where root would do that in a directory that others change meanwhile
 */
export function checkSocket({ path, madeBy }: VhostUserSocket, isRoot = process.geteuid?.() === 0): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (madeBy === 'switch') {
    if (found === undefined) throw noSocket({ path })
    if (!found.isSocket()) throw notASocket({ path })
    return
  }
  if (found !== undefined && !found.isSocket()) throw notASocket({ path })
  const directory = dirname(path)
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw noSocketDirectory({ path })
  if (isRoot && !onlyRootWrites(directory)) throw socketDirectoryOfOthers({ directory })
}

/** QEMU's arguments for a network back end `n` of vhost-user. */
export function vhostUserNetdev({ path, madeBy }: VhostUserSocket): string[] {
  const escaped = path.replaceAll(',', ',,')
  const server = madeBy === 'qemu' ? ',server=on' : ''
  return ['-chardev', `socket,id=c,path=${escaped}${server}`, '-netdev', 'vhost-user,id=n,chardev=c']
}
