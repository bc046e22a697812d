import { readdirSync } from 'node:fs'
import { parseStat, readProc } from '../host/proc.js'
import { isSameProcess, ownerOf } from '../host/process.js'
import { readUsersRecords } from '../record/leases/read.js'
import { processId } from '../record/process-id.js'
import { readRootsRecords } from '../record/root/records.js'
import { PLAN_VARIABLE, type ProcessId, parseVm, type VmRecord } from '../record/vm.js'
import { isOfLaunch } from './program.js'
import { readSingleThread, readThreads, type Thread } from './threads.js'

/** A VM of which a record is kept, and that runs. */
export interface RecordedVm extends VmRecord {
  readonly process: ProcessId
  /** Whose word the record is: 0 for root's, else the user that launched the VM. */
  readonly word: number
}

/**
 * Every VM that runs and has a record that this user may look at, by PID: root's records of domains, and what users'
 * launches have written down. For another user than root also what its own processes carry in their environment: their
 * word and its are the same. Root never looks there: what is in a process's environment is that process's word.
 */
export function findRecorded(): RecordedVm[] {
  const user = process.geteuid?.() ?? 0
  const roots = readRootsRecords('/', () => {}).flatMap((record) => running(record, 0))
  // Of a VM that a user or root has launched and root has tuned there are both: root's word counts.
  const isRoots = ({ id, process: { pid } }: VmRecord & { readonly process: ProcessId }) =>
    roots.some((one) => one.id === id || one.process.pid === pid)
  const found = [
    ...roots,
    ...readUsersRecords('/').flatMap(({ user: word, record }) =>
      isRoots(record) || isOfLaunch(record.process.pid) ? [] : running(record, word),
    ),
  ]
  const carried = user === 0 ? [] : findCarried(user)
  const others = carried.filter(
    ({ id, process: { pid } }) => !found.some((one) => one.id === id || one.process.pid === pid),
  )
  return [...found, ...others].sort((a, b) => a.process.pid - b.process.pid)
}

function running(record: VmRecord, word: number): RecordedVm[] {
  const { process } = record
  if (process === null || !isSameProcess(process)) return []
  return [{ ...record, process, word }]
}

/** A user's own processes with a record in their environment. */
function findCarried(user: number): RecordedVm[] {
  const found = listPids().flatMap((pid) => {
    if (ownerOf(pid) !== user) return []
    const record = readPlan(pid)
    return record === null || isOfLaunch(pid) ? [] : [{ ...record, process: processId(pid), word: user }]
  })
  return found.filter((one) => isMain(one, found))
}

/** Programs that QEMU itself runs (a network helper, an exec: migration) have its environment: they are no VMs. */
function isMain({ id, process: { pid } }: RecordedVm, found: readonly RecordedVm[]): boolean {
  const parent = parseStat(readProc(`/proc/${pid}/stat`) ?? '')?.field(4)
  return !found.some((other) => other.process.pid === parent && other.id === id)
}

/**
 * The record that a process carries in its environment: its own word, for processes of the same user.
 * @returns null when it has none, has ended, or is not this user's to look at
 */
export function readPlan(pid: number): VmRecord | null {
  const environment = readProc(`/proc/${pid}/environ`)?.split('\0') ?? []
  const prefix = `${PLAN_VARIABLE}=`
  const given = environment.find((assignment) => assignment.startsWith(prefix))
  if (given === undefined) return null
  return parseVm(Buffer.from(given.slice(prefix.length), 'latin1').toString('utf8'))
}

/** All process IDs, ascending. */
export function listPids(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid))
    .sort((a, b) => a - b)
}

/**
 * QEMU's threads, with those that the kernel has for it as processes of its own: KVM's, and vhost's before Linux 6.4, which
 * are QEMU's own since then (drivers/vhost/vhost.c).
 * @param kernels which processes of the kernel's are looked for, which takes a file for each that it has
 * @returns oldest first; null when QEMU has ended
 */
export function readQemuThreads(
  pid: number,
  { kernels = 'all' }: { readonly kernels?: 'all' | 'vhost' | 'none' } = {},
): Thread[] | null {
  const threads = readThreads(pid)
  if (kernels === 'none' || threads === null) return threads
  const isVhostThere = threads.some(({ name }) => name === `vhost-${pid}`)
  return kernels === 'vhost' && isVhostThere ? threads : [...threads, ...readKernelsThreads(pid)]
}

const KTHREADD = 2

/** The kernel puts QEMU's PID into their names: a process of another one has the same only in a PID namespace. */
function readKernelsThreads(pid: number): Thread[] {
  const names = [`vhost-${pid}`, `kvm-pit/${pid}`, `kvm-nx-lpage-recovery-${pid}`]
  const all = (readProc(`/proc/${KTHREADD}/task/${KTHREADD}/children`) ?? '').split(' ').filter(Boolean)
  return all
    .filter((child) => names.includes(readProc(`/proc/${child}/comm`)?.trimEnd() ?? ''))
    .flatMap((child) => readSingleThread(Number(child)) ?? [])
}
