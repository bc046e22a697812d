import type { SchedPolicy } from '../config/policy.js'
import { cut, displayWidth } from '../report/width.js'
import { describeRole } from '../tune/roles.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { printable } from '../units/printable.js'
import { type Column, fitTable } from './fit.js'
import { foldWorkers, type Row } from './fold-workers.js'
import type { InterruptStatus } from './interrupts.js'
import { alarm, type Line, plain, type TextOptions, title } from './line.js'
import { formatDuration, formatSize } from './quantities.js'
import type { Usage } from './snapshot.js'
import { countDrift, type ThreadStatus, type VmStatus } from './vms.js'

const COLUMNS: readonly Column[] = [
  { heading: '  THREAD', min: 18 },
  { heading: 'TID', isNumber: true, rank: 4 },
  { heading: 'CPUS', min: 16 },
  { heading: 'POLICY', min: 21 },
  { heading: 'LAST', isNumber: true, rank: 2 },
  { heading: 'SWITCHES', isNumber: true, rank: 3 },
  { heading: 'CPU %', isNumber: true, rank: 1 },
]

/** One VM: a line about its QEMU, its threads, and what is to be done. */
export function vmSection(vm: VmStatus, { width, heading: over }: TextOptions): Line[] {
  const rows = foldWorkers(vm.threads)
  const [heading = '', ...threads] = fitTable(
    COLUMNS,
    rows.map((row) => cells(row, over !== null)),
    width,
  )
  return [
    title(aboutQemu(vm, width)),
    plain(heading),
    ...threads.map((text, index) => (rows[index]?.first.drift.length ? alarm(text) : plain(text))),
    ...vm.interrupts.map(interruptLine),
    ...remarks(vm),
  ]
}

/** The VM's name, and of what is known of its process as much as fits. */
function aboutQemu({ guest, pid, profile, word, usage }: VmStatus, width: number): string {
  const facts = [
    `PID ${pid}`,
    ...(profile === null ? [] : [`profile ${printable(profile)}`]),
    ...(word === null ? ['no record'] : word === 0 ? [] : [`by user ${word}`]),
    ...(usage === null ? [] : describeUsage(usage)),
  ]
  const name = cut(printable(guest.name ?? '(no name)'), Math.max(16, width - 44))
  return facts.reduce((text, fact) => {
    const longer = `${text}  ${fact}`
    return displayWidth(longer) <= width ? longer : text
  }, name)
}

function describeUsage({ cpuPercent, memory, hugePages, uptimeSeconds }: Usage): string[] {
  return [
    ...(cpuPercent === null ? [] : [`CPU ${cpuPercent.toFixed(1)} %`]),
    `memory ${formatSize(memory)}${hugePages === 0 ? '' : ` + ${formatSize(hugePages)} huge`}`,
    `up ${formatDuration(uptimeSeconds)}`,
  ]
}

function cells({ first, threads }: Row, isRepeated: boolean): string[] {
  const { thread, wanted, drift } = first
  const cpus = formatCpuSet(thread.cpus)
  const policy = scheduling(thread)
  const plannedPolicy = scheduling({ policy: wanted?.policy ?? 'other', priority: wanted?.priority ?? 0 })
  const switches = sum(threads.map(({ thread }) => thread.involuntarySwitches))
  const since = sum(threads.map(({ newSwitches }) => newSwitches))
  return [
    `${drift.length > 0 ? '!' : ' '} ${label(first, threads.length)}`,
    threads.length > 1 ? '-' : String(thread.tid),
    drift.includes('cpus') ? `${cpus} (plan ${formatCpuSet(wanted?.cpus ?? [])})` : cpus,
    drift.includes('policy') || drift.includes('priority') ? `${policy} (plan ${plannedPolicy})` : policy,
    threads.length > 1 ? '-' : String(thread.lastCpu),
    `${switches}${isRepeated && since !== null ? ` +${since}` : ''}`,
    sum(threads.map(({ cpuPercent }) => cpuPercent))?.toFixed(1) ?? '-',
  ]
}

/** Emulator threads are told apart by what QEMU calls them. */
function label({ thread, role }: ThreadStatus, count: number): string {
  if (count > 1) return `${count} ${role.kind}s`
  return printable(role.kind === 'emulator' ? `emulator ${thread.name}` : describeRole(role))
}

/** `  interrupts of line0 (0000:03:00.2): 24-26 on CPU 0, 1234 +12`: one line a device. */
function interruptLine({ address, name, numbers, cpus, count, newCount, trouble }: InterruptStatus): Line {
  const device = name === null ? address : `${printable(name)} (${address})`
  if (numbers.length === 0) return plain(`  interrupts of ${device}: none yet`)
  const since = newCount === null ? '' : ` +${newCount}`
  const text = `interrupts of ${device}: ${formatCpuSet(numbers)} on CPU ${formatCpuSet(cpus)}, ${count}${since}`
  return trouble === null ? plain(`  ${text}`) : alarm(`! ${text}`)
}

/** Of what is known; null when nothing is. */
function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0)
}

function scheduling({ policy, priority }: { policy: SchedPolicy | 'deadline'; priority: number }): string {
  return priority > 0 ? `${policy} ${priority}` : policy
}

function remarks(vm: VmStatus): Line[] {
  const unrecorded = plain('  without a record: shown as it is, with nothing to compare it with')
  if (vm.word === null) return [unrecorded, ...interruptRemarks(vm)]
  if (!vm.isPlanned) return [plain('  no CPUs or policies planned'), ...interruptRemarks(vm)]
  const { planned, drifted } = countDrift([vm])
  const todo = `! ${drifted} of ${planned} threads are not as planned; run: qemu-rt tune --pid ${vm.pid}`
  return [
    ...(vm.missing.length === 0 ? [] : [alarm(`! not there: ${vm.missing.map(printable).join(', ')}`)]),
    ...(vm.unplaced.length === 0
      ? []
      : [
          alarm(`! plugged, without a CPU yet: ${vm.unplaced.join(', ')}; run: qemu-rt tune --pid ${vm.pid}`),
        ]),
    ...(drifted === 0 ? [] : [alarm(todo)]),
    ...interruptRemarks(vm),
  ]
}

function interruptRemarks({ pid, interrupts }: VmStatus): Line[] {
  return interrupts.flatMap(({ address, name, wanted, trouble }) => {
    if (trouble === null) return []
    const todo =
      wanted === null
        ? 'write interrupts = { cpus = "housekeeping" } for its profile or NIC, and start it anew'
        : `run as root: qemu-rt tune --pid ${pid}`
    return [alarm(`! interrupts of ${printable(name ?? address)} are ${printable(trouble)}; ${todo}`)]
  })
}
