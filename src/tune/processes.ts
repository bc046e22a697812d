import { readdirSync } from 'node:fs'
import { parseStat, readProc } from '../host/proc.js'
import { isSameProcess, ownerOf } from '../host/process.js'
import { readUsersRecords } from '../record/leases/read.js'
import { processId } from '../record/process-id.js'
import { readRootsRecords } from '../record/root/records.js'
import { PLAN_VARIABLE, type ProcessId, parseVm, type VmRecord } from '../record/vm.js'
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
  const found = [
    ...readRootsRecords('/', () => {}).flatMap((record) => running(record, 0)),
    ...readUsersRecords('/').flatMap(({ user: word, record }) =>
      hasStarted(record.process.pid) ? running(record, word) : [],
    ),
  ]
  const carried = user === 0 ? [] : findCarried(user)
  const others = carried.filter(({ id }) => !found.some((one) => one.id === id))
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
    return record === null || !hasStarted(pid) ? [] : [{ ...record, process: processId(pid), word: user }]
  })
  return found.filter((one) => isMain(one, found))
}

/** Programs that QEMU itself runs (a network helper, an exec: migration) have its environment: they are no VMs. */
function isMain({ id, process: { pid } }: RecordedVm, found: readonly RecordedVm[]): boolean {
  const parent = parseStat(readProc(`/proc/${pid}/stat`) ?? '')?.field(4)
  return !found.some((other) => other.process.pid === parent && other.id === id)
}

/** Whether a process is QEMU already, not the launcher or a program of the chain before it. */
function hasStarted(pid: number): boolean {
  const name = readProc(`/proc/${pid}/comm`)?.trimEnd() ?? ''
  return !LAUNCH_CHAIN.includes(name)
}

const LAUNCH_CHAIN = ['sh', 'dash', 'bash', 'busybox', 'flock', 'taskset']

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
 * QEMU's threads, with the kernel's vhost threads: they are QEMU's own since Linux 6.4, before that processes of the
 * kernel (drivers/vhost/vhost.c).
 * @param kernels whether those of the kernel are looked for, which takes a file for each of its threads
 * @returns oldest first; null when QEMU has ended
 */
export function readQemuThreads(pid: number, { kernels = true } = {}): Thread[] | null {
  const threads = readThreads(pid)
  if (!kernels || threads === null || threads.some(({ name }) => name === `vhost-${pid}`)) return threads
  return [...threads, ...readVhostProcesses(pid)]
}

const KTHREADD = 2

function readVhostProcesses(pid: number): Thread[] {
  const all = (readProc(`/proc/${KTHREADD}/task/${KTHREADD}/children`) ?? '').split(' ').filter(Boolean)
  return all
    .filter((child) => readProc(`/proc/${child}/comm`)?.trimEnd() === `vhost-${pid}`)
    .flatMap((child) => readSingleThread(Number(child)) ?? [])
}
