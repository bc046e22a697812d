import { formatCpuSet } from '../units/cpu-set.js'
import { printable } from '../units/printable.js'
import { type Column, fitTable } from './fit.js'
import { alarm, type Line, plain } from './line.js'
import { countDrift, hasDrifted, type VmStatus } from './vms.js'

const COLUMNS: readonly Column[] = [
  { heading: '  VM', min: 18 },
  { heading: 'PID', isNumber: true },
  { heading: 'PROFILE', min: 8, rank: 2 },
  { heading: 'VCPUS ON', min: 10, rank: 1 },
  { heading: 'STATE', min: 12 },
]

/** Many VMs, a line each. */
export function vmTable(vms: readonly VmStatus[], width: number): Line[] {
  const rows = vms.map((vm) => [
    `${hasDrifted(vm) ? '!' : ' '} ${printable(vm.guest.name ?? '(no name)')}`,
    String(vm.pid),
    printable(vm.profile ?? '-'),
    cpusOfVcpus(vm),
    state(vm),
  ])
  const [heading = '', ...lines] = fitTable(COLUMNS, rows, width)
  return [
    plain(heading),
    ...lines.map((text, index) => {
      const vm = vms[index]
      return vm !== undefined && hasDrifted(vm) ? alarm(text) : plain(text)
    }),
  ]
}

function cpusOfVcpus({ threads }: VmStatus): string {
  const vcpus = threads.filter(({ role }) => role.kind === 'vcpu' || role.kind === 'all-vcpus')
  const cpus = new Set(vcpus.flatMap(({ thread }) => thread.cpus))
  return formatCpuSet([...cpus].sort((a, b) => a - b)) || '-'
}

function state(vm: VmStatus): string {
  if (vm.word === null) return 'no record'
  if (!vm.isPlanned) return 'nothing planned'
  const { planned, drifted } = countDrift([vm])
  const troubles = [
    ...(drifted === 0 ? [] : [`${drifted} of ${planned} threads not as planned`]),
    ...(vm.missing.length === 0 ? [] : [`${vm.missing.length} not there`]),
    ...(vm.unplaced.length === 0 ? [] : [`${vm.unplaced.length} plugged`]),
  ]
  return troubles.join(', ') || 'as planned'
}
