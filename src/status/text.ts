import { cut } from '../report/width.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { printable } from '../units/printable.js'
import { cpuSection } from './cpu-section.js'
import { alarm, type Line, plain, type TextOptions, title } from './line.js'
import type { Asked, Status } from './status.js'
import { vmSection } from './vm-section.js'
import { vmTable } from './vm-table.js'
import { countDrift, hasDrifted, type VmStatus } from './vms.js'

/** Writes a status for people, line by line; none is wider than the terminal. */
export function statusText(status: Status, options: TextOptions): Line[] {
  const lines = [
    ...(options.heading === null ? [] : [title(options.heading)]),
    ...summary(status),
    ...vmLines(status, options),
    ...cpuSection(status.map, options.width),
  ]
  return lines.map(({ text, style }) => ({ text: cut(text, options.width), style }))
}

/** More VMs than these have a line each, unless some are asked for. */
const FEW_VMS = 10

/** How many of many VMs that are not as planned are shown with their threads. */
const SHOWN_VMS = 3

function vmLines({ vms, asked }: Status, options: TextOptions): Line[] {
  const sections = (some: readonly VmStatus[]) => some.flatMap((vm) => [plain(''), ...vmSection(vm, options)])
  if (vms.length <= FEW_VMS || asked !== null) return sections(vms)
  const drifted = vms.filter(hasDrifted)
  const more = drifted.length - SHOWN_VMS
  return [
    plain(''),
    ...vmTable(vms, options.width),
    ...sections(drifted.slice(0, SHOWN_VMS)),
    ...(more > 0
      ? [plain(''), alarm(`! ${more} more VMs are not as planned: qemu-rt status --drifted`)]
      : []),
  ]
}

/** What stands over each of many drawings: the local time. @param interval seconds */
export function watchHeading(time: Date, interval: number): string {
  // Swedish writes times as ISO 8601 does, but for the T.
  return `qemu-rt status  ${time.toLocaleString('sv-SE')}  every ${interval} s`
}

/** What there is to know first, for the end may be below the window. */
function summary({ vms, map, seesAll, asked, hidden }: Status): Line[] {
  const note: Line[] = seesAll ? [] : [plain("other users' VMs are not shown: root sees all")]
  if (vms.length === 0 && hidden > 0) return [plain(noneOf(hidden, asked)), ...note]
  if (vms.length === 0) return [plain('no QEMU is running that this user may see'), ...note]
  const { planned, drifted } = countDrift(vms)
  const missing = vms.flatMap((vm) => vm.missing).length
  const unplaced = vms.flatMap((vm) => vm.unplaced).length
  const elsewhere = vms.flatMap((vm) => vm.interrupts.filter(({ trouble }) => trouble !== null)).length
  const cpus = map.filter(({ conflicts }) => conflicts.length > 0).flatMap((row) => row.cpus)
  const troubles = [
    ...(drifted > 0 ? [`${drifted} of ${planned} threads are not as planned`] : []),
    ...(missing > 0 ? [`${missing} not there`] : []),
    ...(unplaced > 0 ? [`${unplaced} plugged without a CPU`] : []),
    ...(elsewhere > 0
      ? [`interrupts of ${elsewhere} ${elsewhere === 1 ? 'device' : 'devices'} elsewhere`]
      : []),
    ...(cpus.length > 0 ? [`conflict on CPU ${formatCpuSet(cpus.sort((a, b) => a - b))}`] : []),
  ]
  const count = countVms(vms.length)
  if (troubles.length > 0) return [alarm(`! ${[count, ...troubles].join(', ')}`), ...note]
  return [plain(planned === 0 ? count : `${count}, all ${planned} threads are as planned`), ...note]
}

function noneOf(hidden: number, asked: Asked | null): string {
  const { domain, drifted } = asked ?? {}
  const what = [
    ...(domain === undefined ? [] : [`is called '${printable(domain)}'`]),
    ...(drifted === true ? ['is other than planned'] : []),
  ]
  return `${countVms(hidden)}, none of which ${what.join(' and ')}`
}

function countVms(count: number): string {
  return `${count} ${count === 1 ? 'VM' : 'VMs'}`
}
