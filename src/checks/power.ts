import { type CpuSet, formatCpuSet, intersectCpuSets, parseCpuSet, unionCpuSets } from '../units/cpu-set.js'
import type { Check, Subject } from './check.js'
import { parameter } from './command-line.js'
import { COMMAND_LINE, cpusText, few, isAbsent, RELEASE, textOf, textsOf, whyNot } from './look.js'
import { value } from './make.js'
import { TUNED_FILES, tunedSettings } from './tuned.js'
import { met, missed, noted, notHere, unknown } from './verdicts.js'

const CPUS = '/sys/devices/system/cpu'
const GOVERNORS = `${CPUS}/cpu*/cpufreq/scaling_governor`

const governor: Check = {
  id: 'power.governor',
  group: 'power',
  severity: 'warn',
  look: 'for real-time CPUs at full speed',
  reads: [GOVERNORS, RELEASE],
  isAboutRealtime: true,
  wanted: () => 'performance',
  judge: ({ facts, sets }) => {
    if (isAbsent(facts, GOVERNORS)) return notHere('this host cannot change their speed')
    const found = sets.realtime.map((cpu) => ({ cpu, name: textOf(facts, GOVERNORS.replace('*', `${cpu}`)) }))
    if (found.every(({ name }) => name === null)) return unknown(whyNot(facts, GOVERNORS))
    const slow = found.filter(({ name }) => name !== null && name !== 'performance')
    const names = [...new Set(slow.map(({ name }) => name))].join(', ')
    return slow.length === 0
      ? met('performance')
      : missed(governor, `${names} on ${cpusText(slow.map(({ cpu }) => cpu))}`)
  },
  why: 'Each change of speed takes time, and a CPU that was idle starts slow.',
  fixedBy: 'boot',
  fix: ({ realtime }) =>
    `run as root: for c in ${realtime.join(' ')}; do echo performance >${CPUS}/cpu$c/cpufreq/scaling_governor; done; to keep it, have a unit do so at boot`,
  source:
    "tuned's profile latency-performance; Linux Documentation/core-api/real-time/kernel-configuration.rst",
  tuned: [['cpu', 'governor']],
}

const STATE_NAMES = `${CPUS}/cpu*/cpuidle/state*/name`
const STATE_DISABLED = `${CPUS}/cpu*/cpuidle/state*/disable`
const RESUME = `${CPUS}/cpu*/power/pm_qos_resume_latency_us`

/** States that a CPU leaves at once, by the names that drivers give them (intel_idle, acpi_idle, arm and haltpoll). */
const SHALLOW_NAMES =
  'POLL|C0|C1|C1E|C1_ACPI|C1E_ACPI|WFI|ARM WFI|haltpoll idle|ACPI HLT|ACPI FFH MWAIT 0x[01]'
const SHALLOW = new RegExp(`^(${SHALLOW_NAMES})$`, 'i')

/** The files that switch deeper idle states of real-time CPUs off. */
export function deepStateSwitches({ facts, sets }: Subject): string[] {
  return textsOf(facts, STATE_NAMES).flatMap(([path, name]) => {
    const cpu = Number(/\/cpu(\d+)\//.exec(path)?.[1])
    return sets.realtime.includes(cpu) && !SHALLOW.test(name) ? [path.replace(/name$/, 'disable')] : []
  })
}

/** Deeper states that CPUs may enter, by CPU. */
function deepStates({ facts }: Subject): ReadonlyMap<number, readonly string[]> {
  const states = new Map<number, string[]>()
  for (const [path, name] of textsOf(facts, STATE_NAMES)) {
    const cpu = Number(/\/cpu(\d+)\//.exec(path)?.[1])
    const isOff = textOf(facts, path.replace(/name$/, 'disable')) === '1'
    // `n/a`: no latency at all is allowed (Documentation/ABI/testing/sysfs-devices-power).
    const isHeld = textOf(facts, RESUME.replace('*', `${cpu}`)) === 'n/a'
    if (!isOff && !isHeld && !SHALLOW.test(name)) states.set(cpu, [...(states.get(cpu) ?? []), name])
  }
  return states
}

/** Switches off what is deeper than C1, as host apply does: C1 and above stay, so that CPUs need not poll. */
function byDisabling(cpus: CpuSet): string {
  return `run as root: for c in ${cpus.join(' ')}; do for s in ${CPUS}/cpu$c/cpuidle/state*; do grep -qixE '${SHALLOW_NAMES}' $s/name || echo 1 >$s/disable; done; done; to keep it, have a unit do so at boot; or boot with processor.max_cstate=1 intel_idle.max_cstate=1 for all CPUs`
}

const idleStates: Check = {
  id: 'power.idle-states',
  group: 'power',
  severity: 'warn',
  look: 'for real-time CPUs that sleep lightly',
  reads: [STATE_NAMES, STATE_DISABLED, RESUME, COMMAND_LINE, RELEASE, ...TUNED_FILES],
  isAboutRealtime: true,
  wanted: () => 'C1 at most',
  judge: (subject) => {
    const { facts, sets } = subject
    const idle = parameter(facts, 'idle')
    if (idle === 'poll' || idle === 'halt') return met(`idle=${idle}`)
    if (isAbsent(facts, STATE_NAMES)) return notHere('this host has no idle states to choose from')
    if (textsOf(facts, STATE_NAMES).length === 0) return unknown(whyNot(facts, STATE_NAMES))
    const states = deepStates(subject)
    const deep = sets.realtime.flatMap((cpu) => {
      const names = states.get(cpu)
      return names === undefined ? [] : [{ cpu, names }]
    })
    if (deep.length === 0) return met('C1 at most')
    const forced = tunedSettings(facts).find(
      ({ section, key }) => section === 'cpu' && key === 'force_latency',
    )
    const names = few([...new Set(deep.flatMap(({ names }) => names))])
    if (forced !== undefined && forced.value !== 'none' && !/^_?none$/i.test(forced.value))
      return met(
        `${names} are there, and tuned's profile '${forced.profile}' keeps CPUs out of them (force_latency=${forced.value})`,
      )
    const cpus = deep.map(({ cpu }) => cpu)
    return missed(idleStates, `${names} on ${cpusText(cpus)}`, byDisabling(cpus))
  },
  why: 'A CPU takes up to hundreds of microseconds to leave a deep state. A guest with cpu-pm enters them itself.',
  fixedBy: 'boot',
  fix: ({ realtime }) => byDisabling(realtime),
  source:
    "Linux Documentation/core-api/real-time/kernel-configuration.rst, CONFIG_CPU_IDLE; tuned's profile latency-performance",
  tuned: [['cpu', 'force_latency']],
}

const PSTATES = [`${CPUS}/intel_pstate/status`, `${CPUS}/amd_pstate/status`]

const pstate: Check = {
  id: 'power.pstate-driver',
  group: 'power',
  severity: 'note',
  look: "for the processor's own control of its speed",
  reads: [...PSTATES, RELEASE],
  wanted: () => 'nothing: the sources disagree',
  judge: ({ facts }) => {
    const found = PSTATES.flatMap((path) => {
      const text = textOf(facts, path)
      return text === null ? [] : [`${path.split('/')[5]} is ${text}`]
    })
    if (found.length === 0)
      return PSTATES.every((path) => isAbsent(facts, path))
        ? notHere('the driver is not there')
        : unknown(whyNot(facts, PSTATES[0] ?? ''))
    return noted(
      `${found.join(', ')}; tuned's realtime wants it disabled, its cpu-partitioning-powersave passive, OpenShift active`,
    )
  },
  why: 'With the governor performance each keeps the speed up; what differs is by how much, and that has to be measured.',
  fixedBy: null,
  fix: () => '',
  source: "tuned's profiles realtime and cpu-partitioning-powersave; OpenShift",
}

const NO_TURBO = `${CPUS}/intel_pstate/no_turbo`
const BOOST = `${CPUS}/cpufreq/boost`

const turbo: Check = {
  id: 'power.turbo',
  group: 'power',
  severity: 'note',
  look: 'for a speed that does not depend on other CPUs',
  reads: [NO_TURBO, BOOST, RELEASE],
  wanted: () => 'turbo off, where an even speed counts for more than a high one',
  judge: ({ facts }) => {
    const off = textOf(facts, NO_TURBO) === '1' || textOf(facts, BOOST) === '0'
    if (off) return met('turbo is off')
    const isKnown = textOf(facts, NO_TURBO) !== null || textOf(facts, BOOST) !== null
    if (isKnown) return noted('turbo is on')
    return isAbsent(facts, NO_TURBO) ? notHere('this host has no turbo') : unknown(whyNot(facts, NO_TURBO))
  },
  why: 'How fast a CPU may be with turbo depends on how many others are busy, so a vCPU that is left alone is still slowed down.',
  fixedBy: 'boot',
  fix: () =>
    'to try it, run as root: echo 1 >/sys/devices/system/cpu/intel_pstate/no_turbo, or where that is not there: echo 0 >/sys/devices/system/cpu/cpufreq/boost',
  source: "tuned's profile cpu-partitioning-powersave; Linux Documentation/admin-guide/pm/intel_pstate.rst",
}

const SMT = `${CPUS}/smt/active`
const SIBLINGS = `${CPUS}/cpu*/topology/thread_siblings_list`

const smt: Check = {
  id: 'power.smt',
  group: 'power',
  severity: 'warn',
  look: 'for real-time CPUs with a core of their own',
  reads: [SMT, SIBLINGS],
  isAboutRealtime: true,
  wanted: () => 'SMT off, or nothing on the other CPUs of their cores',
  judge: ({ facts, sets, configured }) => {
    if (textOf(facts, SMT) === '0') return met('SMT is off')
    if (textsOf(facts, SIBLINGS).length === 0)
      return textOf(facts, SMT) === null ? unknown(whyNot(facts, SMT)) : unknown(whyNot(facts, SIBLINGS))
    const siblings = (cpu: number): CpuSet =>
      intersectCpuSets(
        parseCpuSet(textOf(facts, SIBLINGS.replace('*', `${cpu}`)) ?? '') ?? [],
        sets.online,
      ).filter((one) => one !== cpu)
    const shared = sets.realtime.filter(
      (cpu) =>
        intersectCpuSets(siblings(cpu), [...sets.housekeeping, ...(configured.switch ?? [])]).length > 0,
    )
    if (shared.length > 0) {
      const others = unionCpuSets(...shared.map(siblings))
      return missed(smt, `${cpusText(shared)} share cores with ${formatCpuSet(others)}`)
    }
    const pairs = sets.realtime.filter((cpu) => intersectCpuSets(siblings(cpu), sets.realtime).length > 0)
    return pairs.length === 0
      ? met('the other CPUs of their cores are for nothing')
      : noted(
          `${cpusText(pairs)} are pairs of one core: give both to one VM, or leave one out of [host] realtime`,
        )
  },
  why: 'Two CPUs of a core share its units and caches: what runs on one slows the other down.',
  fixedBy: 'command-line',
  fix: () =>
    'boot with nosmt and take the CPUs that are then offline out of [host], or leave the siblings out of [host] realtime and housekeeping and isolate them, too',
  source: 'Linux Documentation/admin-guide/cpu-isolation.rst, Checklist; libvirt kbase kvm-realtime',
}

const ASPM = '/sys/module/pcie_aspm/parameters/policy'

const aspm = value({
  id: 'power.pcie-aspm',
  group: 'power',
  severity: 'note',
  look: 'for PCIe links that stay awake',
  path: ASPM,
  isGood: (text) => text.includes('[performance]'),
  wanted: 'performance',
  why: 'A link that sleeps delays the next access to its device. The policy default leaves it to the firmware.',
  fixedBy: 'boot',
  fix: `run as root: echo performance >${ASPM}; to keep it, boot with pcie_aspm.policy=performance`,
  source:
    'Linux Documentation/core-api/real-time/hardware.rst, Hardware buses; kernel-parameters.txt, pcie_aspm=',
  whenMissing: 'this kernel does not manage links',
})

export const POWER_CHECKS: readonly Check[] = [governor, idleStates, pstate, turbo, smt, aspm]
