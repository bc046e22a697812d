import { closeSync, constants, fstatSync, lstatSync, openSync } from 'node:fs'
import { tunerNotStarted } from '../errors/tune.js'
import { readProc } from '../host/proc.js'
import { leaveBehind } from '../host/program.js'
import { errorCode, listDirectory, readLink } from '../host/sysfs.js'
import { formatVm, STDERR_VARIABLE, TUNE_VARIABLE, type VmRecord } from '../record/vm.js'
import { type CpuSet, formatCpuSet } from '../units/cpu-set.js'

/** The launcher gives the planner the same, see there. */
const QUICK_START = { BUN_JSC_useJIT: '0' }

/**
 * Starts the tuner, which goes on when this process has ended. It gets none of this process's descriptors, which are
 * libvirt's and QEMU's: not the pipe of `$(…)` that waits for its last holder either. With one exception: stderr, where
 * it could not be opened by its name when the tuner has its line to write, as libvirt's pipe to the domain's log, which
 * is root's; or where QEMU would write over that line, as it does in a file whose place it has for itself. Root's tuner
 * gets the path of this process's stderr instead, see `logLine`.
 * @param launcher PID of the process that becomes QEMU
 * @param cpus where it may run; null leaves this process's
 * @throws {UserError} exit 69 when it cannot be started
 */
export async function startTuner(plan: VmRecord, launcher: number, cpus: CpuSet | null): Promise<void> {
  const self =
    process.versions.bun === undefined ? [process.execPath, process.argv[1] ?? ''] : [process.execPath]
  const keepsStderr = mustBeKept(2)
  const path = keepsStderr || plan.daemonizes || process.geteuid?.() !== 0 ? null : pathOf(2)
  const chain = cpus === null ? [] : ['taskset', '-c', formatCpuSet(cpus)]
  const devNull = openNothing()
  const failure = await leaveBehind([...chain, ...self, 'tuner', String(launcher)], {
    descriptors: everyDescriptor().map((one) => (one === 2 && keepsStderr ? 2 : devNull)),
    env: {
      PATH: process.env.PATH,
      LC_ALL: 'C',
      ...QUICK_START,
      [TUNE_VARIABLE]: formatVm(plan),
      ...(path === null ? {} : { [STDERR_VARIABLE]: path }),
    },
  })
  if (failure !== null) throw tunerNotStarted({ reason: failure })
  closeSync(devNull)
}

function openNothing(): number {
  try {
    return openSync('/dev/null', 'r+')
  } catch (error) {
    throw tunerNotStarted({ reason: `/dev/null cannot be opened (${errorCode(error)})` })
  }
}

/**
 * 0 up to the highest descriptor that is open. Node passes on those that it did not mark at its start: it marks 0 to 15
 * and from there up to the first gap. Each gets /dev/null in its place; 'ignore' does that for
 * 0 to 2 alone.
 */
function everyDescriptor(): number[] {
  const open = (listDirectory('/proc/self/fd') ?? []).map(Number)
  return Array.from({ length: Math.max(2, ...open) + 1 }, (_, descriptor) => descriptor)
}

/** Whether a descriptor has a place to write at, or cannot be opened again: a pipe of another user, a socket. */
function mustBeKept(descriptor: number): boolean {
  try {
    if (fstatSync(descriptor).isFile()) return !appends(descriptor)
    closeSync(
      openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK),
    )
    return false
  } catch (error) {
    return errorCode(error) === 'EACCES' || errorCode(error) === 'ENXIO'
  }
}

/** The path that leads to what a descriptor is open on; null for a pipe, a socket, and a file that is not there any more. */
function pathOf(descriptor: number): string | null {
  const path = readLink(`/proc/self/fd/${descriptor}`)
  if (path === null || !path.startsWith('/')) return null
  try {
    const [open, named] = [fstatSync(descriptor), lstatSync(path)]
    return open.dev === named.dev && open.ino === named.ino ? path : null
  } catch {
    return null
  }
}

/** Whether each write goes to the file's end, whoever else writes (open(2), O_APPEND; proc(5), fdinfo: flags are octal). */
function appends(descriptor: number): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readProc(`/proc/self/fdinfo/${descriptor}`) ?? '')?.[1] ?? '0'
  return (Number.parseInt(flags, 8) & constants.O_APPEND) !== 0
}
