import { type CommandLine, mergedValue } from '../argv/command-line.js'
import { parseSwitch } from '../argv/properties.js'
import { noSuchCpus, selectorMatchesNothing, threadsNotNamed, vcpuStarvesMain } from '../errors/tune.js'
import type { ThreadObject } from '../plan/threads/thread-objects.js'
import { isRealtime, type ThreadPlan, type ThreadSetting } from '../plan/threads/thread-plan.js'
import { type CpuSet, formatCpuSet, intersectCpuSets, subtractCpuSets } from '../units/cpu-set.js'
import { describeRole, type Role, rolesOf, settingFor } from './roles.js'
import type { Selector } from './selectors.js'
import type { Thread } from './threads.js'

/** A thread, what it does, and what it is to get. */
export interface Wanted {
  readonly thread: Thread
  readonly role: Role
  /** null leaves it as it is. */
  readonly setting: ThreadSetting | null
}

/** What a plan wants for each of a QEMU's threads, oldest first. */
export function wantedByPlan(threads: readonly Thread[], plan: ThreadPlan): Wanted[] {
  return [...rolesOf(threads, plan.unnamed ?? [])].map(([thread, role]) => ({
    thread,
    role,
    setting: settingFor(role, plan),
  }))
}

/**
 * Refuses a QEMU whose vCPUs would be taken for emulator threads. One that has only just started has no vCPU yet: it is to
 * have names by its arguments.
 * @param line its arguments; null when they cannot be read
 * @throws {UserError} exit 69
 */
export function checkToldApart(threads: readonly Thread[], line: CommandLine | null): void {
  if (namesVcpus(rolesOf(threads, []).values())) return
  if (parseSwitch(mergedValue(line ?? [], 'name', 'debug-threads')) !== true) throw threadsNotNamed()
}

function namesVcpus(roles: Iterable<Role>): boolean {
  return [...roles].some(({ kind }) => kind === 'vcpu' || kind === 'all-vcpus')
}

/** What a QEMU's arguments say of its threads. */
interface Arguments {
  /** Objects whose thread QEMU cannot name, in the order of their making. */
  readonly unnamed: readonly ThreadObject[]
  /** null when they cannot be read. */
  readonly line: CommandLine | null
}

/**
 * What selectors want; if several match a thread, the last one wins.
 * @throws {UserError} exit 69 for one that matches no thread, and what `checkToldApart` throws for emulator threads
 */
export function wantedBySelectors(
  threads: readonly Thread[],
  { unnamed, line }: Arguments,
  selectors: readonly Selector[],
): Wanted[] {
  const roles = [...rolesOf(threads, unnamed)]
  for (const { text, isForEmulator, settingFor: settingOf } of selectors) {
    if (isForEmulator) checkToldApart(threads, line)
    if (roles.some(([thread, role]) => settingOf(thread, role) !== null)) continue
    const areNamed = namesVcpus(roles.map(([, role]) => role))
    const there = [...new Set(roles.map(([, role]) => describeRole(role)))]
    throw selectorMatchesNothing({ text, threads: there, areNamed })
  }
  return roles.map(([thread, role]) => {
    const settings = selectors.flatMap((selector) => selector.settingFor(thread, role) ?? [])
    return { thread, role, setting: settings.at(-1) ?? null }
  })
}

/**
 * Refuses CPUs that the host lacks.
 * @param present empty when the host does not say
 * @throws {UserError} exit 69
 */
export function checkCpusExist(wanted: readonly Wanted[], present: CpuSet): void {
  if (present.length === 0) return
  for (const { role, setting } of wanted) {
    const missing = subtractCpuSets(setting?.cpus ?? [], present)
    if (missing.length === 0) continue
    const what = describeRole(role)
    throw noSuchCpus({ what, cpus: formatCpuSet(missing), present: formatCpuSet(present) })
  }
}

/**
 * Refuses to make a real-time vCPU where QEMU's main thread is, or would be: the vCPU waits for it and does not let it
 * run. What neither of them is set to, it has.
 * @throws {UserError} exit 69
 */
export function checkMainThreadRuns(wanted: readonly Wanted[]): void {
  // The main thread is the oldest.
  const main = wanted[0]
  if (main === undefined) return
  for (const one of wanted.filter(({ role }) => role.kind === 'vcpu' || role.kind === 'all-vcpus')) {
    const shared = intersectCpuSets(cpusOf(one), cpusOf(main))
    const isMade = one.setting !== null || main.setting !== null
    if (isMade && isUrgent(one) && shared.length > 0) {
      throw vcpuStarvesMain({ what: describeRole(one.role), cpus: formatCpuSet(shared) })
    }
  }
}

function isUrgent({ thread, setting }: Wanted): boolean {
  const policy = setting?.policy ?? thread.policy
  return policy !== 'deadline' && isRealtime({ policy })
}

function cpusOf({ thread, setting }: Wanted) {
  return setting?.cpus ?? thread.cpus
}
