import type { CheckFacts } from '../host/check/facts.js'
import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
  parseCpuSet,
  subtractCpuSets,
} from '../units/cpu-set.js'
import type { Check, Sets, Subject } from './check.js'
import { type Parameter, parameter, parameterValues, parseIsolcpus } from './command-line.js'
import { byBoot } from './fixes.js'
import { cpusOfBoot, ISOLCPUS_FLAGS, isolcpusParameter, parseTickless, TICK_ID } from './judge/isolation.js'
import { isRealtimeKernel } from './kernel.js'
import { COMMAND_LINE, cpusText, isAbsent, maskOf, RELEASE, textOf, whyNot } from './look.js'
import { groupedCpus, PARTITIONS, withoutReserved } from './sets.js'
import { met, missed, noted, notHere, unknown } from './verdicts.js'

const PARAMETERS_DOC = 'Linux Documentation/admin-guide/kernel-parameters.txt'
const NOHZ_FULL = '/sys/devices/system/cpu/nohz_full'

/** CPUs of a parameter, which may say `all`, and `N` for the last (lib/bitmap-str.c, bitmap_parselist); null when it is no list. */
export function parameterCpus(text: string, online: CpuSet): CpuSet | null {
  const last = String(Math.max(0, ...online))
  return parseCpuSet(text.replace(/\ball\b/g, `0-${last}`).replace(/\bN\b/g, last))
}

/** CPUs without the tick; null when it is not known. A kernel without the file has none, whatever its command line says. */
export function ticklessCpus({ facts, sets }: Subject): CpuSet | null {
  const text = textOf(facts, NOHZ_FULL)
  if (text !== null) return parseTickless(text)
  if (isAbsent(facts, NOHZ_FULL)) return []
  const written = parameterValues(facts, 'nohz_full')
  return written === null ? null : (parameterCpus(written.at(-1) ?? '', sets.online) ?? [])
}

const nohzFull: Check = {
  id: TICK_ID,
  group: 'boot',
  severity: 'warn',
  look: 'for real-time CPUs without the tick',
  reads: [NOHZ_FULL, COMMAND_LINE],
  isAboutRealtime: true,
  wanted: ({ realtime }) => formatCpuSet(realtime),
  judge: (subject) => {
    const { realtime, housekeeping } = subject.sets
    const tickless = ticklessCpus(subject)
    if (tickless === null) return unknown(whyNot(subject.facts, COMMAND_LINE))
    const ticking = subtractCpuSets(realtime, tickless)
    if (ticking.length > 0)
      return missed(
        nohzFull,
        `${cpusText(ticking)} with the tick`,
        byBoot(`nohz_full=${formatCpuSet(cpusOfBoot(subject.sets, tickless))}`),
      )
    const burdened = intersectCpuSets(housekeeping, tickless)
    return burdened.length === 0
      ? met(formatCpuSet(tickless))
      : missed(
          nohzFull,
          `housekeeping ${cpusText(burdened)} without the tick, which makes each of their system calls dearer`,
        )
  },
  why: 'The tick interrupts a CPU 100 to 1000 times a second. For control loops of about 100 µs it is better left on: entering the kernel takes longer without.',
  fixedBy: 'command-line',
  fix: ({ realtime }) => byBoot(`nohz_full=${formatCpuSet(realtime)}`),
  source:
    "tuned's profile realtime-virtual-host; Linux Documentation/core-api/real-time/kernel-configuration.rst",
  tuned: [['bootloader', 'nohz_full']],
}

const rcuCallbacks: Check = {
  id: 'boot.rcu-nocbs',
  group: 'boot',
  severity: 'warn',
  look: "for RCU's callbacks being run elsewhere",
  reads: [NOHZ_FULL, COMMAND_LINE],
  isAboutRealtime: true,
  wanted: ({ realtime }) => formatCpuSet(realtime),
  judge: (subject) => {
    const { facts, sets } = subject
    const written = parameterValues(facts, 'rcu_nocbs')
    const tickless = ticklessCpus(subject)
    if (written === null && tickless === null) return unknown(whyNot(facts, COMMAND_LINE))
    const listed = (written ?? []).flatMap((text) => parameterCpus(text, sets.online) ?? [])
    const left = subtractCpuSets(sets.realtime, [...listed, ...(tickless ?? [])])
    if (left.length === 0) return met(listed.length === 0 ? 'by nohz_full' : 'rcu_nocbs')
    return missed(
      rcuCallbacks,
      `callbacks are run on ${cpusText(left)}`,
      byBoot(`rcu_nocbs=${formatCpuSet(cpusOfBoot(sets, listed))}`),
    )
  },
  why: 'What RCU has to free is freed in softirqs of the CPU itself. nohz_full= implies it.',
  fixedBy: 'command-line',
  fix: ({ realtime }) => byBoot(`rcu_nocbs=${formatCpuSet(realtime)}`),
  source: `tuned's profile realtime-virtual-host; ${PARAMETERS_DOC}, nohz_full=`,
  tuned: [
    ['bootloader', 'rcu_nocbs'],
    ['bootloader', 'nohz_full'],
  ],
}

/**
 * The one isolcpus= for all that it is for, with the flags and CPUs that are there, and what it replaces.
 * @param flags that it has besides
 */
export function isolcpusWanted({ facts, sets }: BootFacts, flags: readonly string[]): string {
  const there = (parameterValues(facts, 'isolcpus') ?? []).flatMap((text) => parseIsolcpus(text) ?? [])
  const all = new Set(['managed_irq', ...there.flatMap((one) => one.flags), ...flags])
  const cpus = there.flatMap((one) => one.cpus)
  return isolcpusParameter(cpusOfBoot(sets, cpus), [...all])
}

type BootFacts = Pick<Subject, 'facts' | 'sets'>

/** Boots with it, in place of what is there. */
export function byIsolcpus(subject: BootFacts, flags: readonly string[]): string {
  const there = (parameterValues(subject.facts, 'isolcpus') ?? []).map((text) => `isolcpus=${text}`)
  const instead = there.length === 0 ? '' : ` in place of ${there.join(' ')}`
  return `${byBoot(isolcpusWanted(subject, flags))}${instead}`
}

/** Whether cpuset partitions isolate the real-time CPUs. */
function isPartitioned(facts: CheckFacts, { realtime }: Sets): boolean {
  return subtractCpuSets(realtime, groupedCpus(facts) ?? []).length === 0
}

const managedIrq: Check = {
  id: 'boot.managed-irq',
  group: 'boot',
  severity: 'warn',
  look: 'for managed interrupts kept off real-time CPUs',
  reads: [COMMAND_LINE, ...PARTITIONS],
  isAboutRealtime: true,
  wanted: ({ realtime }) => `isolcpus=managed_irq,…,${formatCpuSet(realtime)}`,
  judge: ({ facts, sets }) => {
    const values = parameterValues(facts, 'isolcpus')
    if (values === null) return unknown(whyNot(facts, COMMAND_LINE))
    const managed = values.flatMap((text) => {
      const isolcpus = parseIsolcpus(text)
      return isolcpus?.flags.includes('managed_irq') ? isolcpus.cpus : []
    })
    const left = subtractCpuSets(sets.realtime, managed)
    if (left.length === 0) return met(formatCpuSet(managed))
    // What a partition isolates needs no `domain`.
    const flags = isPartitioned(facts, sets) ? ['managed_irq'] : ISOLCPUS_FLAGS
    return missed(managedIrq, `not for ${cpusText(left)}`, byIsolcpus({ facts, sets }, flags))
  },
  why: 'Drivers such as NVMe spread their queues over all CPUs, and nobody can move these interrupts later.',
  fixedBy: 'command-line',
  fix: ({ realtime }) => byBoot(isolcpusParameter(realtime)),
  source: "tuned's profile realtime; Linux Documentation/admin-guide/cpu-isolation.rst",
  tuned: [['bootloader', 'isolcpus']],
}

/** irqaffinity= without the reserved CPUs; those that it names besides stay. */
export function irqaffinityWanted({ facts, sets }: BootFacts): string {
  const written = parameterValues(facts, 'irqaffinity')?.at(-1)
  const cpus = written === undefined ? [] : parameterCpus(written, sets.online)
  return `irqaffinity=${formatCpuSet(withoutReserved(cpus?.length ? cpus : null, sets))}`
}

const irqAffinity: Check = {
  id: 'boot.irqaffinity',
  group: 'boot',
  severity: 'warn',
  look: 'for interrupts starting off real-time CPUs',
  reads: [COMMAND_LINE],
  isAboutRealtime: true,
  wanted: (sets) => formatCpuSet(withoutReserved(null, sets)),
  judge: ({ facts, sets }) => {
    const values = parameterValues(facts, 'irqaffinity')
    if (values === null) return unknown(whyNot(facts, COMMAND_LINE))
    const written = values.at(-1)
    const fix = byBoot(irqaffinityWanted({ facts, sets }))
    if (written === undefined)
      return missed(irqAffinity, 'irqaffinity= is not given: they start anywhere', fix)
    const cpus = parameterCpus(written, sets.online) ?? []
    const touched = intersectCpuSets(sets.realtime, cpus)
    if (cpus.length > 0 && touched.length === 0) return met(formatCpuSet(cpus))
    return missed(
      irqAffinity,
      cpus.length === 0 ? `irqaffinity=${written} is not a list of CPUs` : `it has ${cpusText(touched)}`,
      fix,
    )
  },
  why: 'An interrupt that is set up before anything steers it may land on any CPU. isolcpus= does not keep interrupts off.',
  fixedBy: 'command-line',
  fix: (sets) => byBoot(`irqaffinity=${formatCpuSet(withoutReserved(null, sets))}`),
  source: 'Linux Documentation/admin-guide/cpu-isolation.rst; tuned issue 364',
  tuned: [['bootloader', 'irqaffinity']],
}

/** A parameter that is there with a value, or is not. */
function plainParameter(row: {
  readonly id: string
  readonly severity: Check['severity']
  readonly look: string
  readonly name: Parameter
  readonly value: string
  readonly isGood?: (value: string) => boolean
  readonly why: string
  readonly source: string
}): Check {
  const { id, severity, look, name, why, source } = row
  const isGood = row.isGood ?? ((text: string) => text === row.value)
  return {
    id,
    group: 'boot',
    severity,
    look,
    reads: [COMMAND_LINE],
    wanted: () => `${name}=${row.value}`,
    judge: ({ facts }) => {
      if (textOf(facts, COMMAND_LINE) === null) return unknown(whyNot(facts, COMMAND_LINE))
      const text = parameter(facts, name)
      if (text === null) return missed({ severity }, `${name} is not on the kernel's command line`)
      return isGood(text) ? met(`${name}=${text}`) : missed({ severity }, `${name}=${text}`)
    },
    why,
    fixedBy: 'command-line',
    fix: () => byBoot(`${name}=${row.value}`),
    source,
    tuned: [['bootloader', name]],
  }
}

const skewTick = plainParameter({
  id: 'boot.skew-tick',
  severity: 'warn',
  look: 'for ticks of CPUs that do not collide',
  name: 'skew_tick',
  value: '1',
  why: 'All CPUs have their tick at the same moment otherwise, and wait for the same locks.',
  source: `tuned's profile network-latency; ${PARAMETERS_DOC}`,
})

const CLOCKSOURCE = '/sys/devices/system/clocksource/clocksource0/current_clocksource'
const CLOCKSOURCES = '/sys/devices/system/clocksource/clocksource0/available_clocksource'

const clocksource: Check = {
  id: 'boot.clocksource',
  group: 'boot',
  severity: 'warn',
  look: 'for the TSC as clock source',
  reads: [CLOCKSOURCE, CLOCKSOURCES],
  wanted: () => 'tsc, where the machine has it',
  judge: ({ facts }) => {
    const current = textOf(facts, CLOCKSOURCE)
    if (current === null) return unknown(whyNot(facts, CLOCKSOURCE))
    if (current === 'tsc') return met('tsc')
    const available = (textOf(facts, CLOCKSOURCES) ?? '').split(/\s+/)
    // Not x86: the architecture has one clock, such as arch_sys_counter.
    if (!available.some((name) => ['tsc', 'hpet', 'acpi_pm', 'kvm-clock'].includes(name)))
      return notHere(current)
    return available.includes('tsc')
      ? missed(clocksource, current)
      : missed(
          clocksource,
          `${current}; the kernel does not trust this machine's TSC`,
          'look for "TSC" in the log of the boot (dmesg): firmware or a newer kernel mends it',
        )
  },
  why: 'Other clocks take a microsecond and more to read, and under a lock.',
  fixedBy: 'command-line',
  fix: () => byBoot('tsc=reliable and without clocksource='),
  source: `tuned's profile network-latency; ${PARAMETERS_DOC}, tsc=`,
}

const tscReliable: Check = {
  id: 'boot.tsc-reliable',
  group: 'boot',
  severity: 'note',
  look: 'for a TSC that is not checked for drift',
  reads: [COMMAND_LINE, CLOCKSOURCE],
  wanted: () => 'tsc=reliable',
  judge: ({ facts }) => {
    const current = textOf(facts, CLOCKSOURCE)
    if (current !== null && current !== 'tsc') return notHere(`the clock source is ${current}`)
    if (textOf(facts, COMMAND_LINE) === null) return unknown(whyNot(facts, COMMAND_LINE))
    const tsc = parameter(facts, 'tsc')
    return tsc === 'reliable' || tsc === 'nowatchdog'
      ? met(`tsc=${tsc}`)
      : missed(tscReliable, 'tsc=reliable is not on the command line')
  },
  why: 'The drift check runs on every CPU in turn, isolated or not. Newer kernels leave it out themselves where the TSC is known to be good.',
  fixedBy: 'command-line',
  fix: () => byBoot('tsc=reliable'),
  source: "tuned's profile network-latency",
  tuned: [['bootloader', 'tsc']],
}

const EFI = '/sys/firmware/efi/fw_platform_size'
const EFI_WORK = '/sys/devices/virtual/workqueue/efi_runtime/cpumask'

const efiRuntime: Check = {
  id: 'boot.efi-runtime',
  group: 'boot',
  severity: 'warn',
  look: "for the firmware's runtime services being off",
  reads: [EFI, EFI_WORK, COMMAND_LINE, '/proc/version', '/sys/kernel/realtime', RELEASE],
  wanted: () => 'efi=noruntime (a PREEMPT_RT kernel has it), or efi_runtime/cpumask without real-time CPUs',
  judge: (subject) => {
    const { facts, sets } = subject
    if (isAbsent(facts, EFI)) return notHere('this machine was not booted by EFI')
    if (textOf(facts, COMMAND_LINE) === null) return unknown(whyNot(facts, COMMAND_LINE))
    const given = parameterValues(facts, 'efi')?.flatMap((text) => text.split(',')) ?? []
    if (given.includes('noruntime')) return met('efi=noruntime')
    if (!given.includes('runtime') && isRealtimeKernel(subject) === true)
      return met('off, as PREEMPT_RT has it')
    const work = maskOf(facts, EFI_WORK)
    if (work !== null && sets.realtime.length > 0 && intersectCpuSets(work, sets.realtime).length === 0)
      return met(`on ${cpusText(work)} alone`)
    return missed(efiRuntime, 'on, on any CPU')
  },
  why: 'The firmware answers with interrupts off, for as long as it likes. Without them efibootmgr cannot change boot entries.',
  fixedBy: 'command-line',
  fix: () => byBoot('efi=noruntime'),
  source:
    'Linux Documentation/core-api/real-time/hardware.rst, EFI; kernel-configuration.rst, CONFIG_EFI_DISABLE_RUNTIME',
}

const iommuPassthrough: Check = {
  id: 'boot.iommu-passthrough',
  group: 'boot',
  severity: 'note',
  look: "for the host's own DMA past the IOMMU",
  reads: [COMMAND_LINE, '/sys/kernel/iommu_groups/*/type'],
  wanted: () => 'iommu=pt',
  judge: ({ facts }) => {
    if (textOf(facts, COMMAND_LINE) === null) return unknown(whyNot(facts, COMMAND_LINE))
    const on =
      parameter(facts, 'iommu')?.split(',').includes('pt') || parameter(facts, 'iommu.passthrough') === '1'
    return on ? met('iommu=pt') : missed(iommuPassthrough, 'iommu=pt is not on the command line')
  },
  why: "Otherwise each packet and block of the host's own devices is mapped and unmapped. Devices of VMs stay confined; the host's own do not.",
  fixedBy: 'command-line',
  fix: () => byBoot('iommu=pt'),
  source: `SEAPATH; ${PARAMETERS_DOC}, iommu=`,
  tuned: [['bootloader', 'iommu']],
}

const audit: Check = {
  id: 'boot.audit',
  group: 'boot',
  severity: 'note',
  look: 'for auditing being off',
  reads: [COMMAND_LINE],
  wanted: () => 'audit=0, where nothing asks for an audit trail',
  judge: ({ facts }) => {
    if (textOf(facts, COMMAND_LINE) === null) return unknown(whyNot(facts, COMMAND_LINE))
    const value = parameter(facts, 'audit')
    return value === '0' || value === 'off' ? met(`audit=${value}`) : noted('it may be on')
  },
  why: 'Auditing takes time in system calls. Whether a host needs it is for its security policy to say.',
  fixedBy: 'command-line',
  fix: () => `if no policy asks for an audit trail, ${byBoot('audit=0')}`,
  source: "SEAPATH; ABB's guide for SSC600 SW",
}

export const BOOT_CHECKS: readonly Check[] = [
  nohzFull,
  rcuCallbacks,
  managedIrq,
  irqAffinity,
  skewTick,
  clocksource,
  tscReliable,
  efiRuntime,
  iommuPassthrough,
  audit,
]
