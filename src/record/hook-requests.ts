import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { hookRequestNotWritable } from '../errors/hook.js'
import { errorCode, listDirectory } from '../host/sysfs.js'
import type { HeldLease } from '../plan/leases.js'
import { formatHookRequest, type HookRequest, parseHookRequest } from './hook-request.js'

/**
 * libvirt's hook leaves what it has read and done for a VM in /run/qemu-rt/requests/UUID.json, which is root's: from
 * before QEMU is started until after it has ended. So it also keeps other VMs from the devices meanwhile.
 */
const REQUESTS = '/run/qemu-rt/requests'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function directoryOf(sysroot: string): string {
  return `${sysroot.replace(/\/+$/, '')}${REQUESTS}`
}

function pathOf(sysroot: string, uuid: string): string {
  return `${directoryOf(sysroot)}/${uuid}.json`
}

/** What the hook has left for a VM; null when there is nothing, or not from root. */
export function readHookRequest(sysroot: string, uuid: string | null): HookRequest | null {
  const name = uuid?.toLowerCase() ?? ''
  if (!UUID.test(name)) return null
  const request = parseHookRequest(readRootsFile(pathOf(sysroot, name), sysroot) ?? '')
  return request?.uuid === name ? request : null
}

/** Everything that hooks have left, by UUID. */
export function readHookRequests(sysroot: string): HookRequest[] {
  const names = (listDirectory(directoryOf(sysroot)) ?? []).filter((name) => name.endsWith('.json'))
  return names.sort().flatMap((name) => readHookRequest(sysroot, name.slice(0, -'.json'.length)) ?? [])
}

/** What VMs hold by the hook, as a planner for another VM sees it. */
export function readHookHolds(sysroot: string): HeldLease[] {
  return readHookRequests(sysroot).flatMap(({ uuid, guest, assigned }) => {
    const nics = assigned.map(({ address }) => address)
    return nics.length === 0 ? [] : [{ guest, pid: 0, uuid, nics, cpus: [] }]
  })
}

/**
 * Leaves a request. A reader sees the old file or the new one.
 * @throws {UserError} exit 77 when it cannot be written
 */
export function writeHookRequest(sysroot: string, request: HookRequest): void {
  const directory = directoryOf(sysroot)
  const path = pathOf(sysroot, request.uuid)
  try {
    // libvirt's user reads it; the umask of whoever started libvirtd may be 077.
    const made = mkdirSync(directory, { recursive: true })
    if (made !== undefined) {
      chmodSync(made, 0o755)
      chmodSync(directory, 0o755)
    }
    writeFileSync(`${path}.new`, formatHookRequest(request))
    chmodSync(`${path}.new`, 0o644)
    renameSync(`${path}.new`, path)
  } catch (error) {
    throw hookRequestNotWritable({ path, reason: errorCode(error) ?? String(error) })
  }
}

/** Takes a request away, if it is there. */
export function removeHookRequest(sysroot: string, uuid: string): void {
  rmSync(pathOf(sysroot, uuid), { force: true })
}

function readRootsFile(path: string, sysroot: string): string | null {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const isRoots = fstatSync(file).uid === 0 || sysroot !== '/'
      return isRoots ? readFileSync(file, 'utf8') : null
    } finally {
      closeSync(file)
    }
  } catch {
    return null
  }
}
