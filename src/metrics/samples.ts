import type { Severity } from '../checks/check.js'
import type { Result } from '../checks/run.js'
import type { Level } from '../errors/finding.js'
import type { Offer } from '../export/offers.js'
import type { ThreadFact } from '../host/check/facts.js'
import { isFree } from '../status/cpu-map.js'
import type { Status } from '../status/status.js'
import type { VmStatus } from '../status/vms.js'
import type { CpuSet } from '../units/cpu-set.js'
import type { FamilyName, Sample } from './families.js'

/** All that metrics are made from. */
export interface MetricsSubject {
  readonly version: string
  readonly status: Status
  readonly realtimeCpus: CpuSet
  /** By TID, in seconds; of threads that were read. */
  readonly runDelays: ReadonlyMap<number, number>
  /** The host's threads; null when they were not seen. */
  readonly threads: readonly ThreadFact[] | null
  /** Interrupts of devices by CPU; null when they are not known. */
  readonly interrupts: ReadonlyMap<number, number> | null
  readonly checks: readonly Pick<Result, 'id' | 'severity' | 'level'>[]
  readonly offers: readonly Offer[]
  readonly jitter: readonly SavedJitter[]
}

/** The last run of a saved result of `jitter --format json`. */
export interface SavedJitter {
  readonly mode: string
  /** Empty for best effort. */
  readonly profile: string
  readonly worstSeconds: number
  /** Seconds since 1970. */
  readonly time: number
}

/**
 * Makes the values. Labels are bounded by root's words: of VMs those with root's record, of threads those of its plan, since a
 * VM's QEMU names its threads as it likes.
 */
export function samplesOf(subject: MetricsSubject): Sample[] {
  const { status, realtimeCpus, interrupts, offers } = subject
  const known = status.vms.filter(({ word }) => word === 0)
  return [
    sample('up', [], 1),
    sample('build', [subject.version], 1),
    sample('others', [], status.vms.length - known.length),
    ...known.flatMap((vm) => samplesOfVm(vm, subject.runDelays)),
    ...foreignThreads(subject),
    ...(interrupts === null
      ? []
      : realtimeCpus.map((cpu) => sample('interrupts', [String(cpu)], interrupts.get(cpu) ?? 0))),
    ...freeCpus(status),
    ...subject.checks.flatMap(ofCheck),
    ...offers.flatMap(({ name, units }) => [
      sample('nicDevices', [name], units.length),
      sample('nicReady', [name], units.filter(({ notReady }) => notReady === null).length),
    ]),
    ...latest(subject.jitter).flatMap(({ mode, profile, worstSeconds, time }) => [
      sample('jitterWorst', [mode, profile], worstSeconds),
      sample('jitterTime', [mode, profile], time),
    ]),
  ]
}

/** What is told when nothing could be read. */
export function samplesOfFailure(version: string): Sample[] {
  return [sample('up', [], 0), sample('build', [version], 1)]
}

function sample(family: FamilyName, labels: readonly string[], value: number): Sample {
  return { family, labels, value }
}

function samplesOfVm(vm: VmStatus, runDelays: ReadonlyMap<number, number>): Sample[] {
  const domain = domainOf(vm)
  const drifted = new Map<string, { labels: string[]; count: number }>()
  const vcpus = new Map<number, { switches: number; delay: number | null }>()
  for (const { thread, role, wanted, drift } of vm.threads) {
    if (wanted === null) continue
    const name = role.kind === 'vcpu' ? String(role.vcpu) : ''
    const key = `${role.kind} ${name}`
    const group = drifted.get(key) ?? { labels: [domain, role.kind, name], count: 0 }
    drifted.set(key, { ...group, count: group.count + (drift.length > 0 ? 1 : 0) })
    if (role.kind !== 'vcpu') continue
    const before = vcpus.get(role.vcpu) ?? { switches: 0, delay: null }
    const delay = runDelays.get(thread.tid)
    vcpus.set(role.vcpu, {
      switches: before.switches + thread.involuntarySwitches,
      delay: delay === undefined ? before.delay : (before.delay ?? 0) + delay,
    })
  }
  return [
    sample('vm', [domain, vm.guest.uuid ?? '', vm.profile ?? ''], 1),
    sample('missing', [domain], vm.missing.length + vm.unplaced.length),
    ...[...drifted.values()].map(({ labels, count }) => sample('drifted', labels, count)),
    ...[...vcpus].flatMap(([vcpu, { switches, delay }]) => [
      sample('switches', [domain, String(vcpu)], switches),
      ...(delay === null ? [] : [sample('runDelay', [domain, String(vcpu)], delay)]),
    ]),
  ]
}

/** The name that libvirt has, with the UUID. Of a VM that libvirt did not start it is QEMU's own word, so its PID stands for it. */
function domainOf({ guest, pid }: VmStatus): string {
  return guest.uuid === null || guest.name === null ? `pid-${pid}` : guest.name
}

function foreignThreads({ threads, status, realtimeCpus }: MetricsSubject): Sample[] {
  if (threads === null) return []
  const vms = new Set(status.vms.filter(({ word }) => word === 0).map(({ pid }) => pid))
  const foreign = threads.filter(({ isKernels, pid }) => !isKernels && !vms.has(pid))
  return realtimeCpus.map((cpu) =>
    sample('foreign', [String(cpu)], foreign.filter(({ cpus }) => cpus.includes(cpu)).length),
  )
}

function freeCpus({ map }: Status): Sample[] {
  const byNode = new Map<number | null, number>()
  for (const row of map) {
    if (row.set !== 'realtime') continue
    byNode.set(row.node, (byNode.get(row.node) ?? 0) + (isFree(row) ? row.cpus.length : 0))
  }
  return [...byNode].map(([node, count]) => sample('free', [String(node ?? '')], count))
}

const VALUES: Readonly<Partial<Record<Level, number>>> = { pass: 0, note: 0, warn: 1, fail: 2 }

function ofCheck({ id, severity, level }: { id: string; severity: Severity; level: Level }): Sample[] {
  const value = VALUES[level]
  return value === undefined ? [] : [sample('check', [id, severity], value)]
}

function latest(results: readonly SavedJitter[]): SavedJitter[] {
  const byKind = new Map<string, SavedJitter>()
  for (const result of results) {
    const key = JSON.stringify([result.mode, result.profile])
    const known = byKind.get(key)
    if (known === undefined || known.time <= result.time) byKind.set(key, result)
  }
  return [...byKind.values()]
}
