import type { ThreadPlan, ThreadSetting } from '../plan/threads/thread-plan.js'
import type { Thread } from './threads.js'

/** What a thread does in QEMU. `all-vcpus` is the one thread of `-accel tcg,thread=single`. */
export type Role =
  | { readonly kind: 'vcpu'; readonly vcpu: number }
  | { readonly kind: 'iothread'; readonly id: string }
  | { readonly kind: 'all-vcpus' | 'emulator' | 'worker' | 'vhost' }

/** A thread's name has 15 bytes at most (linux/sched.h, TASK_COMM_LEN), so that long ids are cut. */
const NAME_BYTES = 15

/**
 * Tells QEMU's threads apart by their names (`-name debug-threads=on`): `CPU 0/KVM`, `IO iothread1`, `worker`,
 * `vhost-PID`. Every other is an emulator thread, the monitor's own `IO mon_iothread` too, as for libvirt.
 * @param threads oldest first
 * @param iothreads ids of I/O threads in the order of the command line, which is that of their making: two whose names
 *   are cut to the same text are told apart by it
 */
export function rolesOf(threads: readonly Thread[], iothreads: readonly string[]): Map<Thread, Role> {
  const waiting = [...iothreads]
  const seen = new Set<string>()
  return new Map(threads.map((thread) => [thread, once(roleOf(thread, waiting), seen)]))
}

/** QEMU names its threads itself. A second one of a name that there is once is no more than an emulator thread. */
function once(role: Role, seen: Set<string>): Role {
  if (role.kind !== 'vcpu' && role.kind !== 'all-vcpus' && role.kind !== 'iothread') return role
  const name = describeRole(role)
  if (seen.has(name)) return { kind: 'emulator' }
  seen.add(name)
  return role
}

/** @param waiting ids whose thread was not met yet; that of this thread is taken out */
function roleOf({ name }: Thread, waiting: string[]): Role {
  const vcpu = /^CPU (\d+)\//.exec(name)?.[1]
  if (vcpu !== undefined) return { kind: 'vcpu', vcpu: Number(vcpu) }
  if (name.startsWith('ALL CPUs/')) return { kind: 'all-vcpus' }
  if (name === 'worker') return { kind: 'worker' }
  if (/^vhost-\d+$/.test(name)) return { kind: 'vhost' }
  if (!name.startsWith('IO ') || name === 'IO mon_iothread') return { kind: 'emulator' }
  const at = waiting.findIndex((id) => cutName(id) === name)
  const [id = name.slice('IO '.length)] = at < 0 ? [] : waiting.splice(at, 1)
  return { kind: 'iothread', id }
}

function cutName(id: string): string {
  return Buffer.from(`IO ${id}`).subarray(0, NAME_BYTES).toString('latin1')
}

/** What the plan wants for a thread; null when it says nothing of it. */
export function settingFor(role: Role, plan: ThreadPlan): ThreadSetting | null {
  switch (role.kind) {
    case 'vcpu':
      return plan.vcpus.find(({ vcpu }) => vcpu === role.vcpu) ?? null
    case 'all-vcpus':
      return forAllVcpus(plan)
    case 'iothread':
      // One that was plugged later is not in the plan.
      return plan.iothreads.find(({ id }) => id === role.id) ?? plan.emulator
    case 'worker':
      return plan.workers ?? plan.emulator
    case 'vhost':
      return plan.vhost
    case 'emulator':
      return plan.emulator
  }
}

/** One thread for all vCPUs may use the CPUs of all; it is as urgent as the first of them. */
function forAllVcpus({ vcpus }: ThreadPlan): ThreadSetting | null {
  const [first] = vcpus
  if (first === undefined) return null
  const cpus = [...new Set(vcpus.flatMap((vcpu) => vcpu.cpus ?? []))].sort((a, b) => a - b)
  return { cpus: cpus.length === 0 ? null : cpus, policy: first.policy, priority: first.priority }
}

/** A role as people name it: `vCPU 0`, `I/O thread iothread1`, `emulator`. */
export function describeRole(role: Role): string {
  switch (role.kind) {
    case 'vcpu':
      return `vCPU ${role.vcpu}`
    case 'iothread':
      return `I/O thread ${role.id}`
    case 'all-vcpus':
      return 'all vCPUs'
    default:
      return role.kind
  }
}
