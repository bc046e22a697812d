import { formatCpuSet } from '../units/cpu-set.js'
import { cpuSection } from './cpu-section.js'
import { alarm, type Line, plain, type TextOptions, title } from './line.js'
import type { Status } from './status.js'
import { vmSection } from './vm-section.js'
import { countDrift } from './vms.js'
import { cut } from './width.js'

/** Writes a status for people, line by line; none is wider than the terminal. */
export function statusText(status: Status, options: TextOptions): Line[] {
  const lines = [
    ...(options.heading === null ? [] : [title(options.heading)]),
    ...summary(status),
    ...status.vms.flatMap((vm) => [plain(''), ...vmSection(vm, options)]),
    ...cpuSection(status.map, options.width),
  ]
  return lines.map(({ text, style }) => ({ text: cut(text, options.width), style }))
}

/** What stands over each of many drawings: the local time. @param interval seconds */
export function watchHeading(time: Date, interval: number): string {
  // Swedish writes times as ISO 8601 does, but for the T.
  return `qemu-rt status  ${time.toLocaleString('sv-SE')}  every ${interval} s`
}

/** What there is to know first, for the end may be below the window. */
function summary({ vms, map, seesAll }: Status): Line[] {
  const note: Line[] = seesAll ? [] : [plain("other users' VMs are not shown: root sees all")]
  if (vms.length === 0) return [plain('no QEMU with a plan is running that this user may see'), ...note]
  const { planned, drifted } = countDrift(vms)
  const missing = vms.flatMap((vm) => vm.missing).length
  const cpus = map.filter(({ conflicts }) => conflicts.length > 0).flatMap((row) => row.cpus)
  const troubles = [
    ...(drifted > 0 ? [`${drifted} of ${planned} threads are not as planned`] : []),
    ...(missing > 0 ? [`${missing} not there`] : []),
    ...(cpus.length > 0 ? [`conflict on CPU ${formatCpuSet(cpus.sort((a, b) => a - b))}`] : []),
  ]
  const count = `${vms.length} ${vms.length === 1 ? 'VM' : 'VMs'}`
  if (troubles.length > 0) return [alarm(`! ${[count, ...troubles].join(', ')}`), ...note]
  return [plain(planned === 0 ? count : `${count}, all ${planned} threads are as planned`), ...note]
}
