import { giveDevicesBack } from '../../change/claim.js'
import { RESERVE_PATH, reserveAt } from '../../change/isolate/group-steps.js'
import { takeBack } from '../../change/reserve.js'
import { cpusNotIsolated } from '../../errors/host-isolate.js'
import type { UserError } from '../../errors/user-error.js'
import { isSameProcess, pidNamespace } from '../../host/process.js'
import { openSysroot } from '../../host/sysroot.js'
import { searchEnd } from '../../host/use/open-nodes.js'
import { isOnVfioNow } from '../../host/vfio.js'
import { withRootsLock } from '../../record/root/lock.js'
import {
  ageOfRecord,
  readRootsRecord,
  readRootsRecords,
  removeRootsRecord,
  writeRootsRecord,
} from '../../record/root/records.js'
import { NEW_VM, type VmRecord } from '../../record/vm.js'
import { unbanAfter } from '../../tune/bans.js'
import { formatCpuSet } from '../../units/cpu-set.js'
import { processOfDomain } from '../domain-process.js'
import type { HookCall } from './call.js'
import { uuidOf } from './call.js'
import type { HookHost } from './hook-host.js'

/**
 * Root's records of a domain: by its UUID, and by its name, of which libvirt has only one at a time. One that `tune` has
 * made has the name that its process gives itself, and no UUID.
 */
export function recordsOf(sysroot: string, call: Pick<HookCall, 'domain' | 'xml'>): VmRecord[] {
  const uuid = uuidOf(call)
  return readRootsRecords(sysroot, () => {}).filter(
    ({ guest }) => guest.uuid !== null && (guest.name === call.domain || guest.uuid === uuid),
  )
}

/** Longer than libvirt takes from `prepare` to a QEMU that it knows of, in milliseconds. */
const START_MS = 10 * 60_000

/**
 * Whether the QEMU of a record has run and runs no more, or libvirt has given its start up: libvirt's `release` did not come to
 * its end then. Seen from another PID namespace a process may live all the same.
 */
function hasEnded(record: VmRecord, sysroot: string): boolean {
  const { process, guest } = record
  if (process !== null) return process.namespace === pidNamespace() && !isSameProcess(process)
  const age = ageOfRecord(sysroot, record) ?? 0
  return age > START_MS && guest.name !== null && processOfDomain(guest.name) === null
}

/**
 * Gives back what was taken for VMs, and takes their records away. With the records locked, so that none of it is given to
 * another VM meanwhile.
 * @param isDone which records, as they are then
 * @returns what could not be given back
 */
export async function releaseRecords(
  isDone: (record: VmRecord) => boolean,
  { sysroot, write }: HookHost,
  patienceSeconds?: number,
): Promise<Error[]> {
  const root = openSysroot(sysroot)
  let errors: UserError[] = []
  const giveBack = () => {
    const all = readRootsRecords(sysroot, () => {})
    const done = all.filter(isDone)
    const given = new Set(all.flatMap((one) => (done.includes(one) ? [] : (one.lease?.nics ?? []))))
    const giveAll = (records: readonly VmRecord[]) => {
      // One search's time for all of them, since the records are locked.
      const until = searchEnd()
      return records.flatMap((record) => {
        // What another VM has got meanwhile is given back when that one has ended.
        const own = record.undo.filter(({ address }) => !given.has(address))
        const failed = giveDevicesBack(root, own, write, until)
        // Before the record goes: this hook may be killed, and nobody would know the drivers any more.
        if (keepLeft(sysroot, record) !== record.id) removeRootsRecord(sysroot, record)
        return failed
      })
    }
    // What VMs that ended before have left open takes none of the time of the one that has just ended.
    errors = [...giveAll(done.filter(isLeft)), ...giveAll(done.filter((one) => !isLeft(one)))]
    return done
  }
  const untold = await unbanAfter(sysroot, () => withRootsLock(sysroot, giveBack, patienceSeconds))
  return [...errors, ...untold.map((text) => new Error(text))]
}

/** Begins the id of a record of what could not be given back. */
const LEFT = 'left-'

function isLeft({ id }: VmRecord): boolean {
  return id.startsWith(LEFT)
}

/**
 * Keeps a record of NICs that are not back, as those that a process still has open, so that a later call of the hook gives
 * them back. It is of no VM, and holds nothing. NICs that an earlier start of the same VM has left stay in it.
 * @returns its id; null when all are back
 */
function keepLeft(sysroot: string, record: VmRecord): string | null {
  const { id, guest, process, undo } = record
  const root = openSysroot(sysroot)
  const left = undo.filter(({ address, driver }) => driver !== undefined && isOnVfioNow(root, address))
  if (left.length === 0) return null
  const ownId = isLeft(record) ? id : `${LEFT}${id}`
  const earlier = ownId === id ? [] : (readRootsRecord(sysroot, ownId)?.undo ?? [])
  writeRootsRecord(sysroot, {
    ...NEW_VM,
    id: ownId,
    guest: { name: guest.name, uuid: null },
    // No process has the number 0.
    process: process ?? { pid: 0, startTicks: 0, namespace: pidNamespace() },
    undo: [...earlier.filter(({ address }) => !left.some((one) => one.address === address)), ...left],
  })
  return ownId
}

/**
 * Releases what is left of a domain, and of VMs that have ended without anybody being told.
 * @returns what could not be given back
 */
export async function releaseDomain(
  call: HookCall,
  host: HookHost,
  patienceSeconds?: number,
): Promise<Error[]> {
  const errors = await releaseRecords(isDoneFor(call, host), host, patienceSeconds)
  return [...errors, ...takeCpusBack(host, patienceSeconds)]
}

/**
 * As `releaseDomain`, before a start. Mostly nothing is left: then nothing is locked, which would take a program. What this look
 * misses, a later call gives back.
 */
export async function releaseBeforeStart(call: HookCall, host: HookHost): Promise<Error[]> {
  const isDone = isDoneFor(call, host)
  const isAny = readRootsRecords(host.sysroot, () => {}).some(isDone)
  return [...(isAny ? await releaseRecords(isDone, host) : []), ...takeCpusBack(host)]
}

function isDoneFor(call: HookCall, { sysroot }: HookHost): (record: VmRecord) => boolean {
  const own = recordsOf(sysroot, call).map(({ id }) => id)
  return (record) => own.includes(record.id) || hasEnded(record, sysroot)
}

/** Gives the reserve of `host isolate` the CPUs that no VM has any more: their groups are gone with their QEMU. */
function takeCpusBack({ sysroot, write }: HookHost, patienceSeconds?: number): UserError[] {
  const at = reserveAt(openSysroot(sysroot))
  if (at === null) return []
  const reason = withRootsLock(sysroot, () => takeBack(at, at.cpus, write), patienceSeconds)
  return reason === null ? [] : [cpusNotIsolated({ cpus: formatCpuSet(at.cpus), path: RESERVE_PATH, reason })]
}
