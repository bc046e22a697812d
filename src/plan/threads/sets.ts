import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'
import type { Profile } from '../../config/policy.js'
import type { HostCpus } from '../../host/facts.js'
import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
  subtractCpuSets,
  unionCpuSets,
} from '../../units/cpu-set.js'
import { isThreadProfile } from './hand-out.js'
import { isRealtime, type ThreadPlan } from './thread-plan.js'

/**
 * Warns of best-effort vCPUs that may run where real-time ones do, of sets of CPUs among which the kernel moves no thread, and of
 * vCPUs that a table leaves out.
 */
export function setWarnings(threads: ThreadPlan, { isolated }: HostCpus): string[] {
  return [...starvedVcpus(threads), ...unbalancedSets(threads, isolated ?? []), ...holes(threads)]
}

/**
 * Isolated CPUs are in no scheduling domain, so that a thread stays on the one that it is on
 * (Linux Documentation/admin-guide/kernel-parameters.txt, isolcpus=domain; cgroup-v2.rst, "isolated").
 */
function unbalancedSets(
  { vcpus, emulator, iothreads, workers, vhost }: ThreadPlan,
  isolated: CpuSet,
): string[] {
  const vcpuSets = new Map<string, { cpus: CpuSet; numbers: number[] }>()
  for (const { vcpu, cpus } of vcpus) {
    if (cpus === null) continue
    const text = formatCpuSet(cpus)
    const known = vcpuSets.get(text)
    if (known === undefined) vcpuSets.set(text, { cpus, numbers: [vcpu] })
    else known.numbers.push(vcpu)
  }
  const sets = [
    ...[...vcpuSets.values()].map(({ cpus, numbers }) => ({ who: `vCPU ${formatCpuSet(numbers)}`, cpus })),
    { who: 'emulator threads', cpus: emulator?.cpus ?? [] },
    ...iothreads.map(({ id, cpus }) => ({ who: `I/O thread '${id}'`, cpus: cpus ?? [] })),
    { who: 'worker threads', cpus: workers?.cpus ?? [] },
    { who: 'vhost threads', cpus: vhost?.cpus ?? [] },
  ]
  return sets.flatMap(({ who, cpus }) => {
    const there = intersectCpuSets(cpus, isolated)
    const rest = subtractCpuSets(cpus, isolated)
    if (cpus.length < 2 || there.length === 0) return []
    const which = rest.length === 0 ? 'are isolated' : `are half isolated (CPU ${formatCpuSet(there)})`
    return [
      `CPUs ${formatCpuSet(cpus)} of ${who} ${which}: the kernel moves no thread between isolated CPUs, so that ` +
        'threads share one while others are idle; give each thread one CPU, or CPUs that are not isolated',
    ]
  })
}

/**
 * Warns of vCPUs that are planned each by itself and run in one thread: `thread=single` of TCG, which `-icount` means, too (QEMU 10.0
 * accel/tcg/tcg-all.c, default_mttcg_enabled and tcg_set_thread).
 */
export function singleThreadWarnings(line: CommandLine, { vcpus }: ThreadPlan): string[] {
  const [accel] = findOptions(line, 'accel').map(({ index }) => propertiesAt(line, index))
  const isSingle = accel?.get('accel') === 'tcg' && accel.get('thread') === 'single'
  const hasIcount = findOptions(line, 'icount').length > 0
  const [first, second] = vcpus
  if (first === undefined || second === undefined || !(isSingle || hasIcount)) return []
  const [what, todo] = isSingle
    ? ['-accel tcg,thread=single', 'leave thread=single out']
    : ['-icount', 'leave -icount out']
  return [
    `QEMU runs vCPU ${formatCpuSet(vcpus.map(({ vcpu }) => vcpu))} in one thread (${what}): it is scheduled as vCPU ${first.vcpu} ` +
      `is, and uses one of their CPUs at a time; ${todo}, or give the guest one vCPU`,
  ]
}

/** Those that have no other CPUs are refused (`checkConflicts`). */
function starvedVcpus({ vcpus }: ThreadPlan): string[] {
  const taken = new Set(vcpus.filter(isRealtime).flatMap(({ cpus }) => cpus ?? []))
  const shared = vcpus
    .filter((vcpu) => !isRealtime(vcpu))
    .map(({ vcpu, cpus }) => ({ vcpu, cpus: (cpus ?? []).filter((cpu) => taken.has(cpu)) }))
    .filter(({ cpus }) => cpus.length > 0)
  if (shared.length === 0) return []
  const [numbers, cpus] = [shared.map(({ vcpu }) => vcpu), unionCpuSets(shared.flatMap(({ cpus }) => cpus))]
  const it = numbers.length === 1 ? 'it' : 'them'
  return [
    `vCPU ${formatCpuSet(numbers)} may run on CPU ${formatCpuSet(cpus)} of real-time vCPUs, which starve ${it} there; ` +
      `give ${it} other CPUs`,
  ]
}

/**
 * Warns of I/O threads that a table of them leaves out, and names the table's entries that may have been meant for them. Where it
 * leaves out none, its other entries are for other VMs.
 * @param profile the profile's `iothreads`
 * @param ids of the guest's I/O threads
 */
export function iothreadWarnings(profile: Profile['iothreads'], ids: readonly string[]): string[] {
  if (profile === null || isThreadProfile(profile)) return []
  const there = new Set(ids)
  const out = ids.filter((id) => !Object.hasOwn(profile, id))
  const unmatched = Object.keys(profile).filter((id) => !there.has(id))
  if (out.length === 0) return []
  const [who, are, it] =
    out.length === 1 ? ['I/O thread', 'is', 'it goes'] : ['I/O threads', 'are', 'they go']
  const [besides, correct] =
    unmatched.length === 0
      ? ['', '']
      : [`, which has ${listed(unmatched)} for no I/O thread of this guest`, ', or correct an id']
  const them = out.length === 1 ? 'it' : 'them'
  return [
    `${who} ${listed(out)} ${are} not in the table of iothreads${besides}: ${it} where emulator threads do; ` +
      `add ${them} to the table${correct}`,
  ]
}

/** A guest may have any number of them. */
const LISTED = 3

function listed(ids: readonly string[]): string {
  const more = ids.length > LISTED ? ` and ${ids.length - LISTED} more` : ''
  return `${ids
    .slice(0, LISTED)
    .map((id) => `'${id}'`)
    .join(', ')}${more}`
}

function holes({ vcpus }: ThreadPlan): string[] {
  const left = vcpus.filter(({ cpus }) => cpus === null).map(({ vcpu }) => vcpu)
  if (left.length === 0 || left.length === vcpus.length) return []
  return [
    `vCPU ${formatCpuSet(left)} has no CPUs in the profile, which gives others some: it runs wherever QEMU is started; ` +
      'add it to the table of vcpus.cpus',
  ]
}
