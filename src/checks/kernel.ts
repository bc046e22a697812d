import { intersectCpuSets } from '../units/cpu-set.js'
import { configOption, hasRealtimeGroups } from '../units/kernel-config.js'
import type { Check, Subject, Verdict } from './check.js'
import { parameter } from './command-line.js'
import { byBoot, bySysctl } from './fixes.js'
import { INSTALL_PREEMPT_RT, isPreemptRt, PREEMPT_RT_ID } from './judge/preempt-rt.js'
import { cpusOf, cpusText, isAbsent, numberOf, RELEASE, textOf, whyNot } from './look.js'
import { value } from './make.js'
import { met, missed, notHere, unknown } from './verdicts.js'

const CONFIGURATION =
  "the kernel's build configuration (/boot/config-RELEASE, /lib/modules/RELEASE/config or /proc/config.gz)"
const KERNEL_DOC = 'Linux Documentation/core-api/real-time/kernel-configuration.rst'
const TUNED_LATENCY = "tuned's profile network-latency"

const VERSION = '/proc/version'
const REALTIME = '/sys/kernel/realtime'

/** Whether the kernel of a host is PREEMPT_RT; null when it is not known. */
export function isRealtimeKernel({ facts }: Subject): boolean | null {
  return isPreemptRt(textOf(facts, REALTIME), textOf(facts, VERSION))
}

const preemptRt: Check = {
  id: PREEMPT_RT_ID,
  group: 'kernel',
  severity: 'fail',
  look: 'for a PREEMPT_RT kernel',
  reads: [VERSION, REALTIME],
  wanted: () => 'PREEMPT_RT in /proc/version, or 1 in /sys/kernel/realtime',
  judge: (subject) => {
    const is = isRealtimeKernel(subject)
    if (is === null) return unknown(whyNot(subject.facts, VERSION))
    const kind = /\bPREEMPT\w*/.exec(textOf(subject.facts, VERSION) ?? '')?.[0] ?? 'without PREEMPT'
    return is ? met('PREEMPT_RT') : missed(preemptRt, `this kernel is ${kind}`)
  },
  why: 'Any other kernel has parts that nothing preempts, so there is no bound to how long a vCPU waits.',
  fixedBy: 'kernel',
  fix: () => INSTALL_PREEMPT_RT,
  source: KERNEL_DOC,
}

/** What the build configuration says of an option: `y`, `m`, a value; `n` when it is off. */
function option({ facts }: Subject, name: string): string | null {
  const { text } = facts.kernelConfig
  return text === null ? null : configOption(text, name)
}

/** Options that checks ask for: all that `capture` keeps of a build configuration. */
const CONFIG_OPTIONS = [
  'CPU_FREQ',
  'CPU_FREQ_DEFAULT_GOV_PERFORMANCE',
  'EFI_DISABLE_RUNTIME',
  'IRQSOFF_TRACER',
  'LOCKUP_DETECTOR',
  'PREEMPT_RT',
  'PREEMPT_TRACER',
  'PROVE_LOCKING',
  'RT_GROUP_SCHED',
  'RT_GROUP_SCHED_DEFAULT_DISABLED',
]

/** What of a build configuration `capture` keeps. */
export function keptOfConfig(text: string): string {
  const kept = CONFIG_OPTIONS.flatMap((name) => new RegExp(`^CONFIG_${name}=.*$`, 'm').exec(text)?.[0] ?? [])
  return `${kept.join('\n')}\n`
}

/** Whether the kernel schedules real-time threads by groups; null when it is not known. */
export function hasGroupScheduling({ facts }: Subject): boolean | null {
  const { text } = facts.kernelConfig
  return text === null ? null : hasRealtimeGroups(text, parameter(facts, 'rt_group_sched'))
}

const NO_CONFIG = "the kernel's build configuration is not to be found or not this user's to read"

const debugOptions: Check = {
  id: 'kernel.debug-options',
  group: 'kernel',
  severity: 'warn',
  look: 'for a kernel without costly tracers and lock proving',
  reads: [RELEASE],
  also: CONFIGURATION,
  wanted: () => 'no CONFIG_IRQSOFF_TRACER, CONFIG_PREEMPT_TRACER or CONFIG_PROVE_LOCKING',
  judge: (subject) => {
    if (subject.facts.kernelConfig.text === null) return unknown(NO_CONFIG)
    const on = ['IRQSOFF_TRACER', 'PREEMPT_TRACER', 'PROVE_LOCKING'].filter(
      (name) => option(subject, name) === 'y',
    )
    return on.length === 0
      ? met('none')
      : missed(debugOptions, `it is built with ${on.map((name) => `CONFIG_${name}`).join(', ')}`)
  },
  why: 'They cost latency in every critical section, also when nobody traces.',
  fixedBy: 'kernel',
  fix: () => 'boot a kernel that is built without them',
  source: KERNEL_DOC,
}

const lockupDetector: Check = {
  id: 'kernel.lockup-detector-built',
  group: 'kernel',
  severity: 'note',
  look: 'for a kernel without the lockup detector',
  reads: [RELEASE],
  also: CONFIGURATION,
  wanted: () => 'no CONFIG_LOCKUP_DETECTOR, or kernel.soft-watchdog and kernel.nmi-watchdog passed',
  judge: (subject) => {
    const set = option(subject, 'LOCKUP_DETECTOR')
    if (set === null) return unknown(NO_CONFIG)
    return set === 'y'
      ? missed(lockupDetector, 'it is built with CONFIG_LOCKUP_DETECTOR')
      : met('it is not there')
  },
  why: "Its timers fire every few seconds in hard-interrupt context. Distributions' kernels have it; switched off it does nothing.",
  fixedBy: 'kernel',
  fix: () => 'switch it off, as kernel.soft-watchdog and kernel.nmi-watchdog say',
  source: KERNEL_DOC,
}

const cpuFrequency: Check = {
  id: 'kernel.cpufreq-default',
  group: 'kernel',
  severity: 'note',
  look: 'for a kernel whose CPUs start at full speed',
  reads: [RELEASE],
  also: CONFIGURATION,
  wanted: () => 'CONFIG_CPU_FREQ and CONFIG_CPU_FREQ_DEFAULT_GOV_PERFORMANCE',
  judge: (subject) => {
    const scaling = option(subject, 'CPU_FREQ')
    if (scaling === null) return unknown(NO_CONFIG)
    if (scaling !== 'y')
      return missed(cpuFrequency, 'it has no CONFIG_CPU_FREQ: the firmware alone sets the speed')
    return option(subject, 'CPU_FREQ_DEFAULT_GOV_PERFORMANCE') === 'y'
      ? met('performance')
      : missed(cpuFrequency, 'its default governor is another than performance')
  },
  why: 'Until something sets the governor, and after it is reset, CPUs change their speed. What counts is the governor: see power.governor.',
  fixedBy: 'boot',
  fix: () => 'set the governor at boot, as power.governor says',
  source: KERNEL_DOC,
}

const WATCHDOG_CPUS = '/proc/sys/kernel/watchdog_cpumask'

/** A watchdog that spares the real-time CPUs is as good as none. */
function judgeWatchdog(check: Check, path: string, { facts, sets }: Subject): Verdict {
  if (isAbsent(facts, path)) return notHere('this kernel has none')
  const on = numberOf(facts, path)
  if (on === null) return unknown(whyNot(facts, path))
  if (on === 0) return met('off')
  const cpus = cpusOf(facts, WATCHDOG_CPUS)
  if (cpus === null) return missed(check, 'on')
  const watched = sets.realtime.length === 0 ? cpus : intersectCpuSets(cpus, sets.realtime)
  return watched.length === 0
    ? met(`off for ${cpusText(sets.realtime)}`)
    : missed(check, `on for ${cpusText(watched)}`)
}

const softWatchdog: Check = {
  id: 'kernel.soft-watchdog',
  group: 'kernel',
  severity: 'warn',
  look: 'for the soft lockup watchdog being off',
  reads: ['/proc/sys/kernel/soft_watchdog', WATCHDOG_CPUS, RELEASE],
  wanted: () => 'kernel.soft_watchdog = 0, or no real-time CPU in kernel.watchdog_cpumask',
  judge: (subject) => judgeWatchdog(softWatchdog, '/proc/sys/kernel/soft_watchdog', subject),
  why: 'It wakes a thread of the highest priority on each CPU every few seconds.',
  fixedBy: 'sysctl',
  fix: () => bySysctl('kernel.soft_watchdog', 0),
  source:
    "tuned's profile realtime (nosoftlockup); Linux Documentation/admin-guide/sysctl/kernel.rst, soft_watchdog",
  tuned: [['bootloader', 'nosoftlockup']],
}

const nmiWatchdog: Check = {
  id: 'kernel.nmi-watchdog',
  group: 'kernel',
  severity: 'warn',
  look: 'for the NMI watchdog being off',
  reads: ['/proc/sys/kernel/nmi_watchdog', WATCHDOG_CPUS, RELEASE],
  wanted: () => 'kernel.nmi_watchdog = 0, or no real-time CPU in kernel.watchdog_cpumask',
  judge: (subject) => judgeWatchdog(nmiWatchdog, '/proc/sys/kernel/nmi_watchdog', subject),
  why: 'It interrupts each CPU by an NMI, which nothing can delay.',
  fixedBy: 'sysctl',
  fix: () => bySysctl('kernel.nmi_watchdog', 0),
  source: TUNED_LATENCY,
  tuned: [['bootloader', 'nmi_watchdog']],
}

const rcuNormal = value({
  id: 'kernel.rcu-normal',
  group: 'kernel',
  severity: 'warn',
  look: 'for RCU without expedited grace periods',
  path: '/sys/kernel/rcu_normal',
  isGood: (text) => text === '1',
  wanted: '1',
  why: 'An expedited grace period interrupts every CPU by an IPI. A PREEMPT_RT kernel sets it itself when it has booted.',
  fixedBy: 'command-line',
  fix: `${byBoot('rcupdate.rcu_normal_after_boot=1')}; until then, as root: echo 1 >/sys/kernel/rcu_normal`,
  source: `${TUNED_LATENCY}; Linux Documentation/admin-guide/kernel-parameters.txt`,
  whenMissing: 'this kernel has no expedited grace periods',
  tuned: [['bootloader', 'rcupdate.rcu_normal_after_boot']],
})

const patience = value({
  id: 'kernel.rcu-patience',
  group: 'kernel',
  severity: 'note',
  look: 'for RCU being patient with nohz_full CPUs',
  path: '/sys/module/rcutree/parameters/nohz_full_patience_delay',
  isGood: (text) => Number(text) >= 1000,
  wanted: '1000 (milliseconds)',
  why: 'Without it RCU has a nohz_full CPU interrupted as soon as a grace period waits for it.',
  fixedBy: 'command-line',
  fix: byBoot('rcutree.nohz_full_patience_delay=1000'),
  source: TUNED_LATENCY,
  whenMissing: 'this kernel does not have it',
  tuned: [['bootloader', 'rcutree.nohz_full_patience_delay']],
})

const machineCheck: Check = {
  id: 'kernel.machine-check-polling',
  group: 'kernel',
  severity: 'warn',
  look: 'for polling for corrected machine errors being off',
  reads: ['/sys/devices/system/machinecheck/machinecheck*/ignore_ce', RELEASE],
  isAboutRealtime: true,
  wanted: () => '1 for each real-time CPU',
  judge: ({ facts, sets }) => {
    const pattern = '/sys/devices/system/machinecheck/machinecheck*/ignore_ce'
    if (isAbsent(facts, pattern)) return notHere('this machine has none')
    const states = sets.realtime.map((cpu) => ({
      cpu,
      text: textOf(facts, `/sys/devices/system/machinecheck/machinecheck${cpu}/ignore_ce`),
    }))
    if (states.every(({ text }) => text === null)) return unknown(whyNot(facts, pattern))
    const polled = states.filter(({ text }) => text === '0').map(({ cpu }) => cpu)
    return polled.length === 0 ? met('none') : missed(machineCheck, `${cpusText(polled)} polled`)
  },
  why: 'A timer on each CPU looks for corrected errors every few minutes. With 1 these are not logged any more; uncorrected ones are.',
  fixedBy: 'boot',
  fix: ({ realtime }) =>
    `run as root: for c in ${realtime.join(' ')}; do echo 1 >/sys/devices/system/machinecheck/machinecheck$c/ignore_ce; done; to keep it, have a unit do so at boot`,
  source: "tuned's profile realtime; Linux Documentation/ABI/testing/sysfs-mce",
  tuned: [['sysfs', '/sys/devices/system/machinecheck/machinecheck*/ignore_ce']],
}

export const KERNEL_CHECKS: readonly Check[] = [
  preemptRt,
  debugOptions,
  lockupDetector,
  cpuFrequency,
  softWatchdog,
  nmiWatchdog,
  rcuNormal,
  patience,
  machineCheck,
]
