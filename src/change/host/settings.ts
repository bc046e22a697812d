import type { Subject } from '../../checks/check.js'
import { ASKED, DEFAULT_AFFINITY, interruptsToMove, RPS, RPS_DEFAULT } from '../../checks/interrupts.js'
import { kernelThreadsToMove, WORK } from '../../checks/isolation.js'
import { textOf, textsOf } from '../../checks/look.js'
import { deepStateSwitches } from '../../checks/power.js'
import { type Result, runChecks } from '../../checks/run.js'
import { withoutReserved } from '../../checks/sets.js'
import { CHECKS } from '../../checks/table.js'
import { prioritiesToRaise } from '../../checks/threads.js'
import type { ThreadFact } from '../../host/check/facts.js'
import { formatCpuMask, parseCpuMask } from '../../units/cpu-mask.js'
import { formatCpuSet, intersectCpuSets, parseCpuSet } from '../../units/cpu-set.js'
import type { Form } from './compare.js'
import { sysctlSettings } from './sysctls.js'

/** What of the host is set while it runs: a file of /proc or /sys, or the CPUs or policy of a thread of the kernel's. */
export interface RuntimeSetting {
  /** The check that it is for. */
  readonly check: string
  readonly kind: 'file' | 'cpus' | 'policy'
  /** A path, or the number of a thread. */
  readonly target: string
  /** For people: the path, or the thread's name. */
  readonly name: string
  readonly form: Form
  /** What is there; null when it was not read. */
  readonly now: string | null
  readonly wanted: string
  /** A sysctl that somebody else's file sets at the next boot. */
  readonly endsWithBoot?: true
}

/** A line of a file that is read at boot, or when a module is loaded. */
export interface LastingSetting {
  readonly check: string
  readonly place: 'sysctl' | 'modprobe'
  readonly line: string
  /** The value that it makes last; null where none can be set while the host runs. */
  readonly value: RuntimeSetting | null
}

export interface Settings {
  readonly runtime: readonly RuntimeSetting[]
  readonly lasting: readonly LastingSetting[]
  /** Why something is left to what others have set. */
  readonly left?: readonly string[]
  /** What others have set, and what lasts instead. */
  readonly overridden?: readonly string[]
}

/** How a check's miss is mended. */
interface Row {
  readonly id: string
  readonly settings: (subject: Subject, id: string) => Settings
  /** Checks that must pass first. */
  readonly after?: readonly string[]
}

function sysctlRow(id: string, name: string, value: number): Row {
  const path = `/proc/sys/${name.replaceAll('.', '/')}`
  return {
    id,
    settings: (subject) => {
      const setting = fileSetting(id, path, 'number', textOf(subject.facts, path), `${value}`)
      return sysctlSettings(subject, name, setting, (text) => isContent(subject, id, path, text))
    },
  }
}

/** Whether a check would be content with another value. */
function isContent(subject: Subject, id: string, path: string, text: string): boolean {
  const files = new Map([...subject.facts.files, [path, { text }] as const])
  const checks = CHECKS.filter((check) => check.id === id)
  return runChecks({ ...subject, facts: { ...subject.facts, files } }, checks).every(
    (result) => result.level !== 'unknown' && !isMiss(result),
  )
}

/** @param paths of the files on this host */
function filesRow(
  id: string,
  form: Form,
  wanted: (subject: Subject, now: string | null) => string,
  paths: (subject: Subject) => readonly string[],
): Row {
  return {
    id,
    settings: (subject) => ({
      runtime: paths(subject).map((path) => {
        const now = textOf(subject.facts, path)
        return fileSetting(id, path, form, now, wanted(subject, now))
      }),
      lasting: [],
    }),
  }
}

function moduleRow(id: string, module: string, option: string): Row {
  return {
    id,
    settings: () => ({
      runtime: [],
      lasting: [{ check: id, place: 'modprobe', line: `options ${module} ${option}`, value: null }],
    }),
  }
}

function priorityRow(id: string): Row {
  return {
    id,
    settings: (subject) => ({
      runtime: prioritiesToRaise(id, subject).map(({ thread, priority }) => ({
        ...threadSetting(id, thread),
        kind: 'policy' as const,
        form: 'word' as const,
        now: policyText(thread),
        wanted: `fifo ${priority}`,
      })),
      lasting: [],
    }),
  }
}

/** A thread's policy as the record keeps it: `fifo 3`, `other 0`. */
export function policyText({ policy, priority }: Pick<ThreadFact, 'policy' | 'priority'>): string {
  return `${policy} ${priority}`
}

function fileSetting(
  check: string,
  path: string,
  form: Form,
  now: string | null,
  wanted: string,
): RuntimeSetting {
  return { check, kind: 'file', target: path, name: path, form, now, wanted }
}

function threadSetting(check: string, { tid, name }: ThreadFact) {
  return { check, target: `${tid}`, name: `${name} (${tid})` }
}

const forRealtime = (pattern: string) => (subject: Subject) =>
  subject.sets.realtime.map((cpu) => pattern.replace('*', `${cpu}`))
const only = (path: string) => () => [path]

const maskRow = (id: string, path: string): Row =>
  filesRow(
    id,
    'mask',
    ({ sets }, now) => formatCpuMask(withoutReserved(parseCpuMask(now ?? ''), sets)),
    only(path),
  )

const packetSteering: Row = {
  id: 'irq.packet-steering',
  settings: (subject, id) => {
    const { facts, sets } = subject
    const queues = RPS.flatMap((pattern) => textsOf(facts, pattern)).filter(
      ([, text]) => intersectCpuSets(parseCpuMask(text) ?? [], sets.realtime).length > 0,
    )
    const now = textOf(facts, RPS_DEFAULT)
    // The mask of no CPU is the default, and as good.
    const cpus = parseCpuMask(now ?? '') ?? []
    const isOff = cpus.length === 0
    const mask = formatCpuMask(withoutReserved(cpus, sets))
    const steering = queues.map(([path, text]) => fileSetting(id, path, 'mask', text, '0'))
    if (isOff) return { runtime: steering, lasting: [] }
    const isGood = (text: string) => {
      const asked = parseCpuMask(text)
      return asked !== null && intersectCpuSets(asked, sets.realtime).length === 0
    }
    const setting = fileSetting(id, RPS_DEFAULT, 'mask', now, mask)
    const general = sysctlSettings(subject, 'net.core.rps_default_mask', setting, isGood)
    return { ...general, runtime: [...general.runtime, ...steering] }
  },
}

const kernelThreads: Row = {
  id: 'isolation.kernel-threads',
  settings: (subject, id) => ({
    runtime: kernelThreadsToMove(subject).map((thread) => {
      return {
        ...threadSetting(id, thread),
        kind: 'cpus' as const,
        form: 'list' as const,
        now: formatCpuSet(thread.cpus),
        // Those of a NUMA node stay on it where they can.
        wanted: formatCpuSet(withoutReserved(thread.cpus, subject.sets)),
      }
    }),
    lasting: [],
  }),
}

/** Checks that nothing but VMs runs on the real-time CPUs. */
const UNSHARED = ['cpu.isolated', 'isolation.user-threads', 'isolation.slices']

/**
 * What can be set while the host runs. Not in it, for a person to decide: kvm.nx-huge-pages, which guests that nobody trusts
 * need; what costs power or a link for the whole machine (power.turbo, power.pcie-aspm); and what sources disagree about.
 */
const ROWS: readonly Row[] = [
  sysctlRow('kernel.soft-watchdog', 'kernel.soft_watchdog', 0),
  sysctlRow('kernel.nmi-watchdog', 'kernel.nmi_watchdog', 0),
  filesRow('kernel.rcu-normal', 'number', () => '1', only('/sys/kernel/rcu_normal')),
  filesRow(
    'kernel.machine-check-polling',
    'number',
    () => '1',
    forRealtime('/sys/devices/system/machinecheck/machinecheck*/ignore_ce'),
  ),
  maskRow('isolation.workqueues', WORK),
  kernelThreads,
  // Before CPUs are isolated, throttling is what keeps a real-time thread from stopping all else on its CPU.
  { ...sysctlRow('sched.rt-throttling', 'kernel.sched_rt_runtime_us', -1), after: UNSHARED },
  {
    ...filesRow(
      'sched.fair-server',
      'number',
      () => '0',
      forRealtime('/sys/kernel/debug/sched/fair_server/cpu*/runtime'),
    ),
    // Without the fair server a best-effort thread on such a CPU starves. Kernel threads are moved away by this very run.
    after: UNSHARED,
  },
  sysctlRow('sched.vm-stat-interval', 'vm.stat_interval', 10),
  sysctlRow('sched.hung-task-timeout', 'kernel.hung_task_timeout_secs', 600),
  priorityRow('threads.ksoftirqd'),
  priorityRow('threads.ktimers'),
  priorityRow('threads.rcuc'),
  priorityRow('threads.rcub'),
  filesRow(
    'irq.affinity',
    'list',
    ({ sets }, now) => formatCpuSet(withoutReserved(parseCpuSet(now ?? ''), sets)),
    (subject) => interruptsToMove(subject).map((number) => ASKED.replace('*', number)),
  ),
  maskRow('irq.default-affinity', DEFAULT_AFFINITY),
  packetSteering,
  filesRow(
    'memory.transparent-hugepages',
    'choice',
    () => 'never',
    only('/sys/kernel/mm/transparent_hugepage/enabled'),
  ),
  // Not 2, which takes merged pages apart at once: there may not be memory for it.
  filesRow('memory.ksm', 'number', () => '0', only('/sys/kernel/mm/ksm/run')),
  sysctlRow('memory.numa-balancing', 'kernel.numa_balancing', 0),
  sysctlRow('memory.swappiness', 'vm.swappiness', 10),
  moduleRow('kvm.kvmclock-periodic-sync', 'kvm', 'kvmclock_periodic_sync=0'),
  moduleRow('kvm.pause-loop-exits', 'kvm_intel', 'ple_gap=0'),
  filesRow(
    'power.governor',
    'word',
    () => 'performance',
    forRealtime('/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor'),
  ),
  filesRow('power.idle-states', 'number', () => '1', deepStateSwitches),
]

/** Why a check's settings are not made. */
export interface LeftAlone {
  readonly check: string
  readonly why: string
}

/** What is to be set for the checks of a host, whatever of it is there already, and what is left alone. */
export interface WantedSettings extends Pick<Settings, 'runtime' | 'lasting'> {
  readonly left: readonly LeftAlone[]
  readonly overridden: readonly string[]
  /** Checks that were dealt with. */
  readonly covered: ReadonlySet<string>
}

/**
 * Whether a check wants something changed. A NOTE does only where a miss is one by the table; where it says more than that a
 * person decides.
 */
export function isMiss({ level, severity, todo }: Result): boolean {
  return level === 'warn' || level === 'fail' || (level === 'note' && severity === 'note' && todo != null)
}

/** Finds what to set by what the checks found. Pure. */
export function wantedSettings(subject: Subject, results: readonly Result[]): WantedSettings {
  const byId = new Map(results.map((result) => [result.id, result]))
  const made = ROWS.flatMap((row): (Settings & { id: string; why: string | null })[] => {
    const result = byId.get(row.id)
    if (!result?.applies || !(result.level === 'pass' || isMiss(result))) return []
    if (result.tunedProfile !== null) return []
    const waits = (row.after ?? []).filter((id) => byId.get(id)?.level !== 'pass')
    if (waits.length === 0) return [{ id: row.id, ...row.settings(subject, row.id), why: null }]
    const why = `${result.what}; not before ${waits.join(' and ')} pass`
    return isMiss(result) ? [{ id: row.id, runtime: [], lasting: [], why }] : []
  })
  return {
    runtime: made.flatMap(({ runtime }) => runtime),
    lasting: made.flatMap(({ lasting }) => lasting),
    left: made.flatMap(({ id, why, left = [] }) =>
      [...left, ...(why === null ? [] : [why])].map((one) => ({ check: id, why: one })),
    ),
    overridden: made.flatMap(({ overridden = [] }) => overridden),
    covered: new Set(made.map(({ id }) => id)),
  }
}
