import { formatCpuMask, parseCpuMask } from '../units/cpu-mask.js'
import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
  parseCpuSet,
  subtractCpuSets,
  unionCpuSets,
} from '../units/cpu-set.js'
import { ticklessCpus } from './boot.js'
import type { Check, Subject } from './check.js'
import { byWrite } from './fixes.js'
import {
  COMMAND_LINE,
  cpusOf,
  cpusText,
  few,
  isAbsent,
  isMissing,
  maskOf,
  RELEASE,
  textOf,
  textsOf,
  whyNot,
} from './look.js'
import { ISOLATED, isolatedCpus, PARTITIONS, withoutReserved } from './sets.js'
import { met, missed, noted, notHere, unknown } from './verdicts.js'

const EFFECTIVE = '/proc/irq/*/effective_affinity_list'
export const ASKED = '/proc/irq/*/smp_affinity_list'
const ACTIONS = '/sys/kernel/irq/*/actions'

interface Irq {
  readonly number: string
  readonly cpus: CpuSet
  /** Who handles it: `nvme0q3`; empty when nobody does. */
  readonly actions: string
  /** The kernel lets nobody change its CPUs. */
  readonly isFixed: boolean
}

/** Numbers of the interrupts that are on real-time CPUs and may be moved. */
export function interruptsToMove(subject: Subject): string[] {
  const { realtime } = subject.sets
  return irqs(subject)
    .filter(({ cpus, isFixed }) => !isFixed && intersectCpuSets(cpus, realtime).length > 0)
    .map(({ number }) => number)
}

/** Interrupts that somebody handles. */
function irqs({ facts }: Subject): Irq[] {
  return textsOf(facts, EFFECTIVE).flatMap(([path, text]) => {
    const number = path.split('/')[3] ?? ''
    const actions = textOf(facts, ACTIONS.replace('*', number))
    const cpus = parseCpuSet(text)
    if (cpus === null || actions === '') return []
    // The kernel takes the right to write away from those that it does not let anybody move (kernel/irq/proc.c, register_irq_proc).
    const mode = facts.owners?.get(ASKED.replace('*', number))?.mode
    return [{ number, cpus, actions: actions ?? '', isFixed: mode !== undefined && (mode & 0o222) === 0 }]
  })
}

function irqName({ number, actions }: Irq): string {
  return actions === '' ? number : `${number} (${actions})`
}

/** A loop for each list of CPUs that interrupts are to have, so that each keeps those that nobody reserves. */
function moveAway(moved: readonly Irq[], { facts, sets }: Subject): string {
  const byList = new Map<string, string[]>()
  for (const { number } of moved) {
    const asked = cpusOf(facts, ASKED.replace('*', number))
    const list = formatCpuSet(withoutReserved(asked, sets))
    byList.set(list, [...(byList.get(list) ?? []), number])
  }
  return [...byList]
    .map(([list, all]) => `for i in ${all.join(' ')}; do echo ${list} >/proc/irq/$i/smp_affinity_list; done`)
    .join('; ')
}

const affinity: Check = {
  id: 'irq.affinity',
  group: 'interrupts',
  severity: 'warn',
  look: 'for interrupts kept off real-time CPUs',
  reads: [EFFECTIVE, ASKED, ACTIONS, RELEASE],
  owners: [ASKED],
  isAboutRealtime: true,
  wanted: ({ realtime }) => `none on ${formatCpuSet(realtime)}; those that cannot be moved are named`,
  judge: (subject) => {
    const { facts, sets } = subject
    const all = irqs(subject)
    if (textsOf(facts, EFFECTIVE).length === 0)
      return unknown(
        `${whyNot(facts, EFFECTIVE)} (it is since Linux 4.14, where the interrupt controller tells)`,
      )
    const there = all.filter(({ cpus }) => intersectCpuSets(cpus, sets.realtime).length > 0)
    const fixed = there.filter(({ isFixed }) => isFixed)
    const moved = there.filter(({ isFixed }) => !isFixed)
    const staying = fixed.length === 0 ? '' : `; these cannot be moved: ${few(fixed.map(irqName))}`
    if (moved.length === 0)
      return fixed.length === 0 ? met('none') : noted(`none that could be moved${staying}`, '')
    return missed(
      affinity,
      `${few(moved.map(irqName))} on ${cpusText(sets.realtime)}${staying}`,
      `run as root: ${moveAway(moved, subject)} (the kernel may refuse it for one that its driver placed: boot.managed-irq); irqbalance undoes it unless irq.irqbalance passes`,
    )
  },
  why: 'An interrupt preempts a vCPU whatever its priority; on PREEMPT_RT its thread may, too.',
  fixedBy: 'boot',
  fix: (sets) =>
    `run as root, for each interrupt N that is named: echo ${formatCpuSet(withoutReserved(null, sets))} >/proc/irq/N/smp_affinity_list`,
  source: 'Linux Documentation/core-api/irq/irq-affinity.rst; kernel/irq/proc.c',
  tuned: [['scheduler', 'isolated_cores']],
}

export const DEFAULT_AFFINITY = '/proc/irq/default_smp_affinity'

const defaultAffinity: Check = {
  id: 'irq.default-affinity',
  group: 'interrupts',
  severity: 'warn',
  look: 'for new interrupts kept off real-time CPUs',
  reads: [DEFAULT_AFFINITY],
  isAboutRealtime: true,
  wanted: ({ realtime }) => `no CPU of ${formatCpuSet(realtime)}`,
  judge: ({ facts, sets }) => {
    const cpus = maskOf(facts, DEFAULT_AFFINITY)
    if (cpus === null) return unknown(whyNot(facts, DEFAULT_AFFINITY))
    const touched = intersectCpuSets(sets.realtime, cpus)
    return touched.length === 0
      ? met(formatCpuSet(intersectCpuSets(cpus, sets.online)))
      : missed(
          defaultAffinity,
          `it has ${cpusText(touched)}`,
          byWrite(DEFAULT_AFFINITY, formatCpuMask(withoutReserved(cpus, sets))),
        )
  },
  why: 'It is where an interrupt of a device goes that is added or reset later, such as one that a VM gives back.',
  fixedBy: 'boot',
  fix: (sets) => byWrite(DEFAULT_AFFINITY, formatCpuMask(withoutReserved(null, sets))),
  source: "Linux Documentation/core-api/irq/irq-affinity.rst; tuned's profile realtime (defirqaffinity.py)",
  tuned: [['scheduler', 'isolated_cores']],
}

/** Where distributions keep its environment. */
export const IRQBALANCE_FILES = ['/etc/default/irqbalance', '/etc/sysconfig/irqbalance']

/** What irqbalance leaves alone, and who says so. */
function banned(subject: Subject): { readonly cpus: CpuSet; readonly by: string } | null {
  const { facts } = subject
  const text = IRQBALANCE_FILES.flatMap((path) => textOf(facts, path) ?? []).join('\n')
  const variable = (name: string) =>
    new RegExp(`^\\s*(?:export\\s+)?${name}=["']?([^"'#\\n]*)["']?`, 'm').exec(text)?.[1]?.trim()
  const mask = variable('IRQBALANCE_BANNED_CPUS')
  if (mask) return { cpus: parseCpuMask(mask) ?? [], by: `by IRQBALANCE_BANNED_CPUS=${mask}` }
  const list = variable('IRQBALANCE_BANNED_CPULIST')
  if (list !== undefined) return { cpus: parseCpuSet(list) ?? [], by: `by IRQBALANCE_BANNED_CPULIST=${list}` }
  const isolated = isolatedCpus(facts)
  if (isolated === null) return null
  const cpus = unionCpuSets(isolated, ticklessCpus(subject) ?? [])
  return { cpus, by: 'since they are isolated or without the tick' }
}

/** Tells irqbalance which CPUs to leave alone: what is written takes the place of what it does by itself. */
function byBanning(cpus: CpuSet): string {
  return `write IRQBALANCE_BANNED_CPULIST=${formatCpuSet(cpus)} into /etc/default/irqbalance (Debian, Ubuntu) or /etc/sysconfig/irqbalance (RHEL, SUSE), take out IRQBALANCE_BANNED_CPUS there, and run as root: systemctl restart irqbalance`
}

const irqbalance: Check = {
  id: 'irq.irqbalance',
  group: 'interrupts',
  severity: 'warn',
  look: 'for irqbalance leaving real-time CPUs alone',
  reads: [...IRQBALANCE_FILES, ISOLATED, ...PARTITIONS, '/sys/devices/system/cpu/nohz_full', COMMAND_LINE],
  also: 'names of threads',
  isAboutRealtime: true,
  wanted: ({ realtime }) => `not running, or ${formatCpuSet(realtime)} banned`,
  judge: (subject) => {
    const { facts, sets } = subject
    if (facts.threads === null) return unknown(facts.whyNoThreads)
    const runs = facts.threads.some(({ isKernels, name }) => !isKernels && name === 'irqbalance')
    if (!runs) return met('not running')
    const hidden = IRQBALANCE_FILES.find(
      (path) => facts.files.get(path)?.text === null && !isMissing(facts, path),
    )
    if (hidden !== undefined) return unknown(whyNot(facts, hidden))
    const ban = banned(subject)
    if (ban === null) return unknown(whyNot(facts, ISOLATED))
    const left = subtractCpuSets(sets.realtime, ban.cpus)
    const leavesAlone = `it leaves ${cpusText(ban.cpus)} alone${ban.cpus.length === 0 ? '' : `, ${ban.by}`}`
    return left.length === 0
      ? met(leavesAlone)
      : missed(
          irqbalance,
          `irqbalance puts interrupts on ${cpusText(left)}, too; ${leavesAlone}`,
          byBanning(unionCpuSets(ban.cpus, sets.reserved)),
        )
  },
  why: 'Every ten seconds irqbalance spreads interrupts over all CPUs that it is not told to leave alone. Where neither variable is set it leaves isolated and nohz_full CPUs alone; with an empty IRQBALANCE_BANNED_CPULIST= it uses all.',
  fixedBy: 'system',
  fix: ({ reserved }) => byBanning(reserved),
  source: 'irqbalance(1)',
  tuned: [['irqbalance', 'banned_cpus']],
}

export const RPS_DEFAULT = '/proc/sys/net/core/rps_default_mask'
/** Of NICs behind PCI, virtio's too. */
export const RPS = [
  '/sys/bus/pci/devices/*/net/*/queues/rx-*/rps_cpus',
  '/sys/bus/pci/devices/*/virtio*/net/*/queues/rx-*/rps_cpus',
]

/** @param known masks of the host; where the sysctl's is none of them it may be any CPU */
function bySteering(
  known: readonly { readonly path: string; readonly cpus: CpuSet }[],
  sets: Subject['sets'],
): string {
  const cpus = known.find(({ path }) => path === RPS_DEFAULT)?.cpus ?? null
  // The mask of no CPU is the default, and as good.
  const mask = cpus?.length === 0 ? '0' : formatCpuMask(withoutReserved(cpus, sets))
  return `run as root: sysctl -w net.core.rps_default_mask=${mask}, and for each queue that is named: echo 0 >…/rps_cpus`
}

const packetSteering: Check = {
  id: 'irq.packet-steering',
  group: 'interrupts',
  severity: 'warn',
  look: 'for packets not steered to real-time CPUs',
  reads: [RPS_DEFAULT, ...RPS, RELEASE],
  isAboutRealtime: true,
  wanted: ({ realtime }) => `no CPU of ${formatCpuSet(realtime)} in net.core.rps_default_mask and rps_cpus`,
  judge: ({ facts, sets }) => {
    const masks = [
      [RPS_DEFAULT, textOf(facts, RPS_DEFAULT)] as const,
      ...RPS.flatMap((one) => textsOf(facts, one)),
    ]
    const known = masks.flatMap(([path, text]) =>
      text === null ? [] : [{ path, cpus: parseCpuMask(text) ?? [] }],
    )
    if (known.length === 0)
      return isAbsent(facts, RPS_DEFAULT)
        ? notHere('this kernel does not steer packets')
        : unknown(whyNot(facts, RPS_DEFAULT))
    const wide = known.filter(({ cpus }) => intersectCpuSets(cpus, sets.realtime).length > 0)
    return wide.length === 0
      ? met('none')
      : missed(packetSteering, few(wide.map(({ path }) => shortName(path))), bySteering(known, sets))
  },
  why: 'Receive packet steering raises softirqs on the CPUs of its mask.',
  fixedBy: 'boot',
  fix: (sets) => bySteering([], sets),
  source: 'OpenShift; Linux Documentation/networking/scaling.rst, RPS',
}

/** `eth0/queues/rx-0`, or the sysctl. */
function shortName(path: string): string {
  return /\/net\/([^/]+\/queues\/rx-\d+)\//.exec(path)?.[1] ?? 'net.core.rps_default_mask'
}

const queues: Check = {
  id: 'irq.nic-queues',
  group: 'interrupts',
  severity: 'note',
  look: "for as many queues of the host's NICs as housekeeping CPUs",
  reads: [...RPS, RELEASE],
  isAboutRealtime: true,
  wanted: ({ housekeeping }) => `${housekeeping.length} at most`,
  judge: ({ facts, sets }) => {
    const counts = new Map<string, number>()
    for (const [path] of RPS.flatMap((one) => textsOf(facts, one))) {
      const name = /\/net\/([^/]+)\//.exec(path)?.[1] ?? ''
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    if (counts.size === 0)
      return isAbsent(facts, RPS[0] ?? '')
        ? notHere("no NIC is the host's")
        : unknown(whyNot(facts, RPS[0] ?? ''))
    const many = [...counts].filter(([, count]) => count > sets.housekeeping.length)
    return many.length === 0
      ? met('so it is')
      : missed(queues, few(many.map(([name, count]) => `${name} has ${count}`)))
  },
  why: 'A queue has an interrupt, and drivers give each CPU one. To change their number resets the link.',
  fixedBy: 'system',
  fix: ({ housekeeping }) =>
    `when the link may go down, run as root for each NIC: ethtool -L NIC combined ${housekeeping.length}`,
  source: "tuned's profile realtime (netdev_queue_count); SEAPATH; ethtool(8)",
  tuned: [['net', 'channels']],
}

export const INTERRUPT_CHECKS: readonly Check[] = [
  affinity,
  defaultAffinity,
  irqbalance,
  packetSteering,
  queues,
]
