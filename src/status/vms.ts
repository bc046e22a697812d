import type { ThreadPlan, ThreadSetting } from '../plan/threads/thread-plan.js'
import { missingRoles } from '../tune/missing.js'
import { describeRole, type Role, rolesOf, settingFor } from '../tune/roles.js'
import type { Thread } from '../tune/threads.js'
import { type Drift, driftOf } from './drift.js'
import { type InterruptStatus, interruptStatuses } from './interrupts.js'
import type { Snapshot, Usage, VmSnapshot } from './snapshot.js'

/** A VM as `status` shows it. */
export interface VmStatus {
  readonly guest: { readonly name: string | null; readonly uuid: string | null }
  readonly pid: number
  readonly profile: string | null
  /** Whose word the plan is: 0 for root's, else the user that launched the VM; null for a VM without a record. */
  readonly word: number | null
  readonly usage: Usage | null
  /** Whether the plan says anything of threads. */
  readonly isPlanned: boolean
  /** vCPUs first, then I/O threads, then the others. */
  readonly threads: readonly ThreadStatus[]
  /** Roles whose thread is not there: QEMU is not that far, or its threads have no names. */
  readonly missing: readonly string[]
  /** One a device that it has by VFIO. */
  readonly interrupts: readonly InterruptStatus[]
  /** vCPUs that were plugged and have no CPU by the plan yet. */
  readonly unplaced: readonly string[]
}

export interface ThreadStatus {
  readonly thread: Thread
  readonly role: Role
  /** null when the plan says nothing of it. */
  readonly wanted: ThreadSetting | null
  readonly drift: readonly Drift[]
  /** Since the snapshot before; null when there was none, or the thread was not there. */
  readonly newSwitches: number | null
  readonly cpuPercent: number | null
}

/** Clock ticks of /proc are 10 ms (USER_HZ of every architecture that QEMU runs virtual machines on). */
const TICK_MS = 10

const ORDER: readonly Role['kind'][] = [
  'vcpu',
  'all-vcpus',
  'iothread',
  'emulator',
  'thread-context',
  'worker',
  'io_uring',
  'vhost',
  'kvm',
  'kernel',
]

/** VMs by name, each with its threads compared with their plan. @param before to tell what happened since then */
export function vmStatuses(now: Snapshot, before: Snapshot | null): VmStatus[] {
  return now.vms
    .map((vm) => {
      const earlier = before?.vms.find(({ pid, plan }) => pid === vm.pid && plan.id === vm.plan.id)
      const threads = vmStatus(vm, earlier?.threads ?? [], before === null ? 0 : now.at - before.at)
      return { ...threads, interrupts: interruptStatuses(now, vm, earlier) }
    })
    .sort(byName)
}

function byName(a: VmStatus, b: VmStatus): number {
  const [first, second] = [a.guest.name ?? '', b.guest.name ?? '']
  return first.localeCompare(second, 'en', { numeric: true }) || a.pid - b.pid
}

function vmStatus(
  { pid, plan, found, threads, usage }: VmSnapshot,
  earlier: readonly Thread[],
  ms: number,
): Omit<VmStatus, 'interrupts'> {
  const settings = plan.threads
  // How many threads there are is QEMU's to say.
  const pasts = new Map(earlier.map((thread) => [thread.tid, thread]))
  const roles = rolesOf(threads, (settings ?? found)?.unnamed ?? [])
  return {
    guest: plan.guest,
    pid,
    profile: plan.profile,
    word: plan.word,
    usage,
    isPlanned: settings !== null,
    threads: [...roles]
      .map(([thread, role]) => threadStatus(thread, role, settings, pasts.get(thread.tid), ms))
      .sort(byRole),
    unplaced: [...roles.values()].flatMap((role) =>
      role.kind === 'vcpu' &&
      plan.maxcpus !== null &&
      settings !== null &&
      settingFor(role, settings) === null
        ? describeRole(role)
        : [],
    ),
    missing:
      settings === null
        ? []
        : missingRoles([...roles.values()], { plan: settings, vcpusAtStart: plan.vcpusAtStart }).map(
            describeRole,
          ),
  }
}

function threadStatus(
  thread: Thread,
  role: Role,
  settings: ThreadPlan | null,
  past: Thread | undefined,
  ms: number,
): ThreadStatus {
  const wanted = settings === null ? null : settingFor(role, settings)
  const isComparable = past !== undefined && ms > 0
  return {
    thread,
    role,
    wanted,
    drift: driftOf(thread, role, wanted),
    newSwitches: isComparable ? Math.max(0, thread.involuntarySwitches - past.involuntarySwitches) : null,
    cpuPercent: isComparable ? (Math.max(0, thread.ticks - past.ticks) * TICK_MS * 100) / ms : null,
  }
}

function byRole(a: ThreadStatus, b: ThreadStatus): number {
  const rank = ({ role }: ThreadStatus) => ORDER.indexOf(role.kind)
  const vcpu = ({ role }: ThreadStatus) => (role.kind === 'vcpu' ? role.vcpu : 0)
  return rank(a) - rank(b) || vcpu(a) - vcpu(b) || a.thread.tid - b.thread.tid
}

/** How many threads the plan says something of, and how many of them are not so. */
export function countDrift(vms: readonly VmStatus[]): { readonly planned: number; readonly drifted: number } {
  const planned = vms.flatMap(({ threads }) => threads.filter(({ wanted }) => wanted !== null))
  return { planned: planned.length, drifted: planned.filter(({ drift }) => drift.length > 0).length }
}

/** Whether a VM is not as its record has it: threads that are otherwise, not there, or without a CPU yet, or interrupts that are where they must not be. */
export function hasDrifted(vm: VmStatus): boolean {
  const isElsewhere = vm.interrupts.some(({ trouble }) => trouble !== null)
  return countDrift([vm]).drifted > 0 || vm.missing.length > 0 || vm.unplaced.length > 0 || isElsewhere
}
