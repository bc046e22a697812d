import { decodeBytes } from '../argv/bytes.js'
import { type CommandLine, mergedValue, parseCommandLine, wordsOf } from '../argv/command-line.js'
import { badPid, noSuchDomain, noSuchProcess, noTarget } from '../errors/tune.js'
import { readProc, readProcBytes } from '../host/proc.js'
import type { RuntimePlan } from '../record/runtime-plan.js'
import { findManaged, listPids, readPlan } from './processes.js'

/** A QEMU that runs, started by the wrapper or not. */
export interface RunningQemu {
  readonly pid: number
  /** Its arguments. */
  readonly line: CommandLine
  readonly guest: string | null
  /** null when it was not started by the wrapper. */
  readonly plan: RuntimePlan | null
}

export interface TargetOptions {
  readonly pid?: string
  readonly domain?: string
  readonly all?: boolean
}

/**
 * Finds the QEMUs that a person means: one by PID, those of a guest's name, or all that have a plan.
 * @throws {UserError} exit 64 when nobody says which, 69 when there is none
 */
export function findTargets({ pid, domain, all }: TargetOptions): RunningQemu[] {
  if ([pid, domain, all].filter((given) => given !== undefined).length !== 1) throw noTarget()
  if (all) return findManaged().flatMap((managed) => describeQemu(managed.pid) ?? [])
  if (pid !== undefined) {
    if (!/^\d+$/.test(pid)) throw badPid({ pid })
    const target = describeQemu(Number(pid))
    if (target === null) throw noSuchProcess({ pid })
    return [target]
  }
  const running = listPids()
    .filter(isQemu)
    .flatMap((one) => describeQemu(one) ?? [])
  const named = running.filter(({ guest }) => guest === domain)
  if (named.length > 0) return named
  throw noSuchDomain({ name: domain ?? '', known: running.flatMap(({ guest }) => guest ?? []) })
}

/** By the program's name, which is cut to 15 bytes: `qemu-system-x86`, RHEL's `qemu-kvm`; or by its plan. */
function isQemu(pid: number): boolean {
  const name = readProc(`/proc/${pid}/comm`) ?? ''
  return /^(qemu-system-|qemu-kvm)/.test(name) || readPlan(pid) !== null
}

function describeQemu(pid: number): RunningQemu | null {
  const bytes = readProcBytes(`/proc/${pid}/cmdline`)
  if (bytes === null) return null
  try {
    const words = decodeBytes(bytes).split('\0').slice(1, -1)
    const line = parseCommandLine(wordsOf(words))
    return { pid, line, guest: mergedValue(line, 'name', 'guest') ?? null, plan: readPlan(pid) }
  } catch {
    return null
  }
}

/** A QEMU in a message: `guest 'plc-1' (PID 4711)`. */
export function describeTarget({ guest, pid }: RunningQemu): string {
  return guest === null ? `PID ${pid}` : `guest '${guest}' (PID ${pid})`
}
