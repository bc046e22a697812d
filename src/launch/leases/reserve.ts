import { unlinkSync, writeFileSync } from 'node:fs'
import { UserError } from '../../errors/user-error.js'
import type { Plan } from '../../plan/plan.js'
import type { Request } from '../../plan/request.js'
import type { Planner } from '../prepare.js'
import { ensureLeaseDirectory } from './directory.js'
import { formatLeaseFile, type LeaseFile } from './lease-file.js'
import { withLock } from './lock.js'
import { readLeases, startOf } from './read.js'

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
  const id = `${launcher}-${startTicks}-${Math.random().toString(36).slice(2, 10)}`
  const deadline = Date.now() + request.waitMs
  for (;;) {
    try {
      // Most VMs hold nothing, and need no lock to find that out.
      const plan = planner([])
      if (plan.lease === null) return { plan, id, leaseFile: null }
      return await takeLease(request.sysroot, planner, { id, launcher: { pid: launcher, startTicks } })
    } catch (error) {
      if (!(error instanceof UserError && error.mayPass) || Date.now() >= deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

/** With the leases locked, so that two launches never choose the same. */
function takeLease(
  sysroot: string,
  planner: Planner,
  { id, launcher }: { readonly id: string; readonly launcher: LeaseFile['launcher'] },
): Promise<Reserved> {
  const { shared, own } = ensureLeaseDirectory(sysroot)
  return withLock(shared, () => {
    const { held, ended } = readLeases(sysroot, 'check')
    for (const { path } of ended) removeIfMine(path)
    const plan = planner(held)
    if (plan.lease === null) return { plan, id, leaseFile: null }
    const leaseFile = `${own}/${id}.lease`
    const text = formatLeaseFile({ ...plan.lease, guest: plan.guest.name, launcher })
    writeFileSync(leaseFile, text, { flag: 'wx', mode: 0o640 })
    return { plan, id, leaseFile }
  })
}

/** What is left of a VM that has ended. Another user's stays: it counts for nothing. */
function removeIfMine(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Not this user's, or gone already.
  }
}
