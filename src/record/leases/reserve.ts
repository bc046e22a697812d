import { UserError } from '../../errors/user-error.js'
import type { Planner } from '../../launch/prepare.js'
import type { Plan } from '../../plan/plan.js'
import type { Request } from '../../plan/request.js'
import { hold } from './hold.js'
import { startOf } from './read.js'

/** A plan whose devices and CPUs no other VM has. */
export interface Reserved {
  readonly plan: Plan
  /** Of this launch, told from every other since the host was booted. */
  readonly id: string
  /** The file that QEMU is to keep locked; null when it holds nothing. */
  readonly leaseFile: string | null
}

/** How long before what others hold is looked at again. */
const RETRY_MS = 250

/**
 * Plans a launch and takes its lease, with `--wait` as soon as other VMs have let go of what it needs.
 * @param launcher PID of the process that becomes QEMU
 * @throws {UserError} what the planner throws; exit 77 without a usable directory for leases
 */
export async function reserve(request: Request, planner: Planner, launcher: number): Promise<Reserved> {
  const startTicks = startOf(launcher) ?? 0
  const id = launchId(launcher, startTicks)
  const deadline = Date.now() + request.waitMs
  for (;;) {
    try {
      const guest = request.guest.name
      const { chosen, leaseFile } = hold(
        request.sysroot,
        { id, guest, launcher: { pid: launcher, startTicks } },
        planner,
      )
      return { plan: chosen, id, leaseFile }
    } catch (error) {
      if (!(error instanceof UserError && error.mayPass)) throw error
      if (Date.now() >= deadline) throw request.waitMs === 0 ? error : stillSo(error, request.waitMs)
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

function stillSo({ exitCode, message }: UserError, waitedMs: number): UserError {
  return new UserError(exitCode, `after ${waitedMs / 1000} s still: ${message}`)
}

/** An id that no other launch of this host has. */
export function launchId(pid: number, startTicks: number): string {
  return `${pid}-${startTicks}-${Math.random().toString(36).slice(2, 10)}`
}
