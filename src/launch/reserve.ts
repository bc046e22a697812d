import { isLeaseDirectoryRefused, leaseWithoutHook } from '../errors/leases.js'
import { UserError } from '../errors/user-error.js'
import type { HeldLease } from '../plan/leases.js'
import { isMadeByLibvirt } from '../plan/own-settings.js'
import type { Plan } from '../plan/plan.js'
import type { Request } from '../plan/request.js'
import { hold } from '../record/leases/hold.js'
import { leaseDirectory } from '../record/place.js'
import { launchId, processId } from '../record/process-id.js'
import { NEW_VM, type VmRecord } from '../record/vm.js'

/** A plan whose devices and CPUs no other VM has. */
export interface Reserved {
  readonly plan: Plan
  /** What is kept of the VM; null for one of which nothing was planned but its arguments. */
  readonly record: VmRecord | null
  /** The file that QEMU is to keep locked; null when there is none. */
  readonly leaseFile: string | null
}

/** How long before what others hold is looked at again. */
const RETRY_MS = 250

/**
 * Plans a launch and takes its lease, with `--wait` as soon as other VMs have let go of what it needs.
 * @param alone the plan when no other VM holds anything
 * @param plan given what others hold
 * @param describe what is kept of the VM, besides its id and process; null for nothing
 * @param launcher PID of the process that becomes QEMU
 * @throws {UserError} what the planner throws; exit 77 without a usable directory for leases. To a domain of libvirt's the
 *   hook is named, which would have left no need of a lease
 */
export async function reserve(
  request: Pick<Request, 'sysroot' | 'waitMs' | 'line'>,
  alone: Plan,
  plan: (held: readonly HeldLease[]) => Plan,
  describe: (plan: Plan) => Partial<VmRecord> | null,
  launcher: number,
): Promise<Reserved> {
  const process = processId(launcher)
  const id = launchId(process)
  const record = (chosen: Plan): VmRecord | null => {
    const described = describe(chosen)
    return described === null ? null : { ...NEW_VM, ...described, id, process }
  }
  const deadline = Date.now() + request.waitMs
  for (;;) {
    try {
      const { chosen, leaseFile } = hold(request.sysroot, alone, plan, record)
      return { plan: chosen, record: record(chosen), leaseFile }
    } catch (error) {
      if (isLeaseDirectoryRefused(error) && isMadeByLibvirt(request)) {
        throw leaseWithoutHook({ directory: leaseDirectory(request.sysroot) })
      }
      if (!(error instanceof UserError && error.mayPass)) throw error
      if (Date.now() >= deadline) throw request.waitMs === 0 ? error : stillSo(error, request.waitMs)
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

function stillSo({ exitCode, message }: UserError, waitedMs: number): UserError {
  return new UserError(exitCode, `after ${waitedMs / 1000} s still: ${message}`)
}
