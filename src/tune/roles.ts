import type { ThreadObject } from '../plan/threads/thread-objects.js'
import type { ThreadPlan, ThreadSetting } from '../plan/threads/thread-plan.js'
import { unionCpuSets } from '../units/cpu-set.js'
import type { Thread } from './threads.js'
import { unnamedThreads } from './unnamed.js'

/** What a thread does in QEMU. `all-vcpus` is the one thread of `-accel tcg,thread=single`. */
export type Role =
  | { readonly kind: 'vcpu'; readonly vcpu: number }
  | { readonly kind: 'iothread' | 'thread-context'; readonly id: string }
  | { readonly kind: 'all-vcpus' | 'emulator' | 'worker' | 'vhost' | 'io_uring' | 'kvm' | 'kernel' }

interface Naming {
  readonly name: RegExp
  /** @param found what the expression has in its first parentheses */
  readonly role: (found: string) => Role
}

/** Threads by their names. Every other is an emulator thread, the monitor's own `IO mon_iothread` too, as for libvirt. */
const NAMES: readonly Naming[] = [
  { name: /^CPU (\d+)\//, role: (vcpu) => ({ kind: 'vcpu', vcpu: Number(vcpu) }) },
  { name: /^ALL CPUs\//, role: () => ({ kind: 'all-vcpus' }) },
  { name: /^IO (?!mon_iothread$)(.*)$/s, role: (id) => ({ kind: 'iothread', id }) },
  { name: /^TC (.*)$/s, role: (id) => ({ kind: 'thread-context', id }) },
  { name: /^worker$/, role: () => ({ kind: 'worker' }) },
  // The kernel's, for a ring of QEMU's: they do what its own workers do (Linux io_uring/io-wq.c, sqpoll.c).
  { name: /^iou-(?:wrk|sqp|mgr)-\d+$/, role: () => ({ kind: 'io_uring' }) },
  // QEMU's own since Linux 6.4, before that a process of the kernel (drivers/vhost/vhost.c).
  { name: /^vhost-\d+$/, role: () => ({ kind: 'vhost' }) },
  // QEMU's own where the kernel makes it as it makes vhost's (arch/x86/kvm/mmu/mmu.c); the name is cut.
  { name: /^kvm-nx-lpage-re$/, role: () => ({ kind: 'kvm' }) },
  // Processes of the kernel (arch/x86/kvm/i8254.c, virt/kvm/kvm_main.c).
  { name: /^kvm-(?:pit\/|nx-lpage-recovery-)\d+$/, role: () => ({ kind: 'kernel' }) },
]

/** What holds for a kind of thread. */
interface Kind {
  /** What the plan wants for it; null when it says nothing of it. */
  readonly setting: (plan: ThreadPlan) => ThreadSetting | null
  /**
   * Whether a profile's `strict` promises what it gets. Others' threads, and those that the kernel keeps where they are,
   * end no VM; nor does EINVAL for a thread that is no vCPU and no I/O thread. `unasked`: no key of the profile's is for
   * it, so that `tune` does not fail either when it stays where it is.
   */
  readonly promised: 'always' | 'unless EINVAL' | 'never' | 'unasked'
}

const KINDS: Readonly<Record<Exclude<Role['kind'], 'vcpu' | 'iothread'>, Kind>> = {
  'all-vcpus': { setting: forAllVcpus, promised: 'always' },
  emulator: { setting: ({ emulator }) => emulator, promised: 'unless EINVAL' },
  worker: { setting: ({ workers, emulator }) => workers ?? emulator, promised: 'unless EINVAL' },
  io_uring: { setting: ({ workers, emulator }) => workers ?? emulator, promised: 'unasked' },
  vhost: { setting: ({ vhost }) => vhost, promised: 'never' },
  // The command line has its CPUs, or whoever asks by the monitor.
  'thread-context': { setting: ({ contexts }) => contexts ?? null, promised: 'never' },
  // It begins on the CPU of the vCPU that runs first.
  kvm: { setting: ({ emulator }) => emulator, promised: 'unasked' },
  kernel: { setting: () => null, promised: 'unasked' },
}

/**
 * Tells QEMU's threads apart by their names (`-name debug-threads=on`), and those that QEMU cannot name by the order of
 * their making, see `unnamedThreads`.
 * @param threads oldest first
 * @param unnamed objects whose thread QEMU cannot name, in the order of their making
 */
export function rolesOf(threads: readonly Thread[], unnamed: readonly ThreadObject[]): Map<Thread, Role> {
  const named = new Map(threads.map((thread) => [thread, roleByName(thread)]))
  for (const [thread, { type, id }] of unnamedThreads(threads, named, unnamed)) {
    named.set(thread, { kind: type, id })
  }
  const seen = new Set<string>()
  return new Map([...named].map(([thread, role]) => [thread, once(role, seen)]))
}

/** QEMU names its threads itself. A second one of a name that there is once is no more than an emulator thread. */
function once(role: Role, seen: Set<string>): Role {
  if (role.kind !== 'vcpu' && role.kind !== 'all-vcpus' && role.kind !== 'iothread') return role
  const name = describeRole(role)
  if (seen.has(name)) return { kind: 'emulator' }
  seen.add(name)
  return role
}

function roleByName({ name }: Thread): Role {
  for (const naming of NAMES) {
    const found = naming.name.exec(name)
    if (found !== null) return naming.role(found[1] ?? '')
  }
  return { kind: 'emulator' }
}

/** What the plan wants for a thread; null when it says nothing of it. */
export function settingFor(role: Role, plan: ThreadPlan): ThreadSetting | null {
  if (role.kind === 'vcpu') return plan.vcpus.find(({ vcpu }) => vcpu === role.vcpu) ?? null
  // An I/O thread that was plugged later is not in the plan.
  if (role.kind === 'iothread') return plan.iothreads.find(({ id }) => id === role.id) ?? plan.emulator
  return KINDS[role.kind].setting(plan)
}

/** Whether a profile's `strict` promises what a thread gets. @param reason why it was refused */
export function isPromised({ kind }: Role, reason: string): boolean {
  const promised = kind === 'vcpu' || kind === 'iothread' ? 'always' : KINDS[kind].promised
  return promised === 'always' || (promised === 'unless EINVAL' && reason !== 'EINVAL')
}

/** Whether a plan says something of a thread by a key that is for threads of its kind. */
export function isAskedFor({ kind }: Role): boolean {
  return kind === 'vcpu' || kind === 'iothread' || KINDS[kind].promised !== 'unasked'
}

/**
 * One thread for all vCPUs is as urgent as the first of them, and may use the CPUs of all that are as urgent: those of a best-effort
 * vCPU may be where emulator threads are.
 */
function forAllVcpus({ vcpus }: ThreadPlan): ThreadSetting | null {
  const [first] = vcpus
  if (first === undefined) return null
  const alike = vcpus.filter(({ policy, priority }) => policy === first.policy && priority === first.priority)
  const cpus = unionCpuSets(alike.flatMap((vcpu) => vcpu.cpus ?? []))
  return { cpus: cpus.length === 0 ? null : cpus, policy: first.policy, priority: first.priority }
}

/** A role as people name it: `vCPU 0`, `I/O thread iothread1`, `emulator`. */
export function describeRole(role: Role): string {
  switch (role.kind) {
    case 'vcpu':
      return `vCPU ${role.vcpu}`
    case 'iothread':
      return `I/O thread ${role.id}`
    case 'thread-context':
      return `thread context ${role.id}`
    case 'all-vcpus':
      return 'all vCPUs'
    default:
      return role.kind
  }
}
