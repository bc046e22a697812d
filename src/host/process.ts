import { lstatSync } from 'node:fs'
import { parseStat, readProc } from './proc.js'
import { readLink } from './sysfs.js'

/** num_threads of proc(5); a zombie that was not waited for has one. */
const THREADS = 20

/** When a process started, in clock ticks after boot; null when there is none, or one that has ended already. */
export function startOf(pid: number): number | null {
  const stat = parseStat(readProc(`/proc/${pid}/stat`) ?? '')
  // A main thread that has ended by itself is a zombie while the others run on: any process can do that (exit(2)).
  return stat === null || (stat.state === 'Z' && stat.field(THREADS) <= 1) ? null : stat.field(22)
}

/** Whether a process is still the one that it was; see `startOf`. */
export function isSameProcess({
  pid,
  startTicks,
}: {
  readonly pid: number
  readonly startTicks: number
}): boolean {
  return startOf(pid) === startTicks
}

/** The user whose a process is (proc(5): owner of /proc/PID; root for one that may not be dumped); null when there is none. */
export function ownerOf(pid: number): number | null {
  const status = readProc(`/proc/${pid}/status`)
  const real = /^Uid:\t(\d+)/m.exec(status ?? '')?.[1]
  return real === undefined
    ? (lstatSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? null)
    : Number(real)
}

/** The PID namespace of this process, `pid:[4026531836]` (pid_namespaces(7)): in another one the same number is another process. */
export function pidNamespace(): string | null {
  return readLink('/proc/self/ns/pid')
}

/** Number of the PID namespace of the kernel's start (include/linux/proc_ns.h, PROC_PID_INIT_INO). */
const INITIAL = 'pid:[4026531836]'

/** Whether this is the PID namespace of the kernel's start, which is shown everything (fs/locks.c, locks_translate_pid). */
export function isInitialPidNamespace(): boolean {
  return pidNamespace() === INITIAL
}
