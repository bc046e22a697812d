import type { SchedPolicy } from '../config/policy.js'
import { badSelector } from '../errors/tune.js'
import { isRealtime, type ThreadSetting } from '../plan/threads/thread-plan.js'
import { type CpuSet, parseCpuList, parseCpuSet } from '../units/cpu-set.js'
import { matchesGlob } from '../units/glob.js'
import type { Role } from './roles.js'
import type { Thread } from './threads.js'

/** One `--set`: which threads, and what they get. */
export interface Selector {
  readonly text: string
  /** Whether it means emulator threads: all that have no other role. */
  readonly isForEmulator: boolean
  /** What a thread gets; null when it is none of these. */
  readonly settingFor: (thread: Thread, role: Role) => ThreadSetting | null
}

const POLICIES: readonly SchedPolicy[] = ['other', 'batch', 'idle', 'fifo', 'rr']

/** Kinds of thread that a selector names by one word. */
const WORDS: Readonly<Record<string, Role['kind']>> = {
  emulator: 'emulator',
  worker: 'worker',
  vhost: 'vhost',
  io_uring: 'io_uring',
  kvm: 'kvm',
}

/**
 * Reads `WHO=CPUS[:POLICY[:PRIORITY]]`. WHO is `vcpus` (a CPU for each, in the order written), `vcpu:N`, `iothread:ID`, `emulator`,
 * `worker`, `vhost`, `io_uring`, `kvm`, `thread-context:ID` or `name:GLOB`; N and ID may be `*`. CPUS may be empty, to leave them as they are.
 * @throws {UserError} exit 64 when it does not parse
 */
export function parseSelector(text: string): Selector {
  const [, who = '', what = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (who === '') throw badSelector({ text, problem: 'an = is missing' })
  const setting = parseSetting(text, what)
  if (who === 'vcpus') return forEachVcpu(text, setting, parseCpuList(what.split(':')[0] ?? '') ?? [])
  const matches = matcher(text, who)
  return {
    text,
    isForEmulator: who === 'emulator',
    settingFor: (thread, role) => (matches(thread, role) ? setting : null),
  }
}

function parseSetting(text: string, what: string): ThreadSetting {
  const [list = '', policyName, rank, ...rest] = what.split(':')
  const cpus = parseCpuSet(list)
  if (cpus === null) throw badSelector({ text, problem: `'${list}' is not a list of CPUs` })
  if (rest.length > 0)
    throw badSelector({ text, problem: `there is more after the priority: '${rest.join(':')}'` })
  const policy = POLICIES.find((name) => name === policyName) ?? null
  if (policyName !== undefined && policy === null) {
    throw badSelector({ text, problem: `'${policyName}' is not a policy; there are ${POLICIES.join(', ')}` })
  }
  const priority = rank === undefined ? (isRealtime({ policy }) ? 1 : null) : Number(rank)
  const isRank = priority !== null && Number.isInteger(priority) && priority >= 1 && priority <= 99
  if (priority !== null && !(isRealtime({ policy }) && isRank)) {
    throw badSelector({ text, problem: 'a priority is 1 to 99, and for fifo and rr only' })
  }
  return { cpus: cpus.length === 0 ? null : cpus, policy, priority }
}

function forEachVcpu(text: string, setting: ThreadSetting, inOrder: readonly number[]): Selector {
  return {
    text,
    isForEmulator: false,
    settingFor(_, role) {
      if (role.kind === 'all-vcpus') return setting
      if (role.kind !== 'vcpu') return null
      return { ...setting, cpus: setting.cpus === null ? null : nth(inOrder, role.vcpu, text) }
    },
  }
}

function nth(cpus: readonly number[], vcpu: number, text: string): CpuSet {
  const cpu = cpus[vcpu]
  if (cpu === undefined) throw badSelector({ text, problem: `there is no CPU for vCPU ${vcpu}` })
  return [cpu]
}

function matcher(text: string, who: string): (thread: Thread, role: Role) => boolean {
  const [kind = '', name] = who.split(/:(.*)/s)
  if (kind === 'vcpu' && name !== undefined && /^(\*|\d+)$/.test(name)) {
    return (_, role) =>
      (name === '*' && role.kind === 'all-vcpus') ||
      (role.kind === 'vcpu' && (name === '*' || role.vcpu === Number(name)))
  }
  if ((kind === 'iothread' || kind === 'thread-context') && name) {
    return (_, role) => role.kind === kind && (name === '*' || role.id === name)
  }
  if (kind === 'name' && name) return (thread) => matchesGlob(thread.name, name)
  const word = Object.hasOwn(WORDS, who) ? WORDS[who] : undefined
  if (word !== undefined) return (_, role) => role.kind === word
  throw badSelector({
    text,
    problem: `'${who}' is not one of vcpus, vcpu:N, iothread:ID, emulator, worker, vhost, io_uring, kvm, thread-context:ID, name:GLOB`,
  })
}
