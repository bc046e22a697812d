import type { HostPolicy } from '../config/policy.js'
import type { HostCpus } from '../host/facts.js'
import { isRealtime } from '../plan/threads/thread-plan.js'
import type { CpuSet } from '../units/cpu-set.js'
import { conflictsOf } from './conflicts.js'
import type { Cpu, CpuRow, CpuUse } from './cpu.js'
import type { Snapshot, VmSnapshot } from './snapshot.js'

/** Shows what each present CPU is for and who has it, CPUs that are alike in one row. Empty for an unknown host. */
export function cpuMap({ cpus, sets, vms }: Snapshot): CpuRow[] {
  if (cpus === null) return []
  const labels = labelsOf(vms)
  const rows = new Map<string, { cpu: Cpu; cpus: number[] }>()
  for (const number of cpus.present) {
    const cpu = describeCpu(number, cpus, sets, vms, labels)
    const key = JSON.stringify(cpu)
    const row = rows.get(key)
    if (row === undefined) rows.set(key, { cpu, cpus: [number] })
    else row.cpus.push(number)
  }
  return [...rows.values()].map(({ cpu, cpus }) => ({ cpus, ...cpu }))
}

/** Whether `auto` could hand it out, as far as plans tell. */
export function isFree({ set, isOnline, uses }: Cpu): boolean {
  return set === 'realtime' && isOnline && uses.length === 0
}

function labelsOf(vms: readonly VmSnapshot[]): Map<number, string> {
  const names = vms.map(({ plan }) => plan.guest.name ?? 'no name')
  const isUnique = (name: string) => names.indexOf(name) === names.lastIndexOf(name)
  return new Map(
    vms.map(({ pid, plan }, index) => {
      const name = names[index] ?? ''
      return [pid, plan.guest.name !== null && isUnique(name) ? name : `${name} (PID ${pid})`]
    }),
  )
}

function describeCpu(
  cpu: number,
  host: HostCpus,
  sets: HostPolicy,
  vms: readonly VmSnapshot[],
  labels: ReadonlyMap<number, string>,
): Cpu {
  const node = Object.entries(host.nodes).find(([, cpus]) => cpus.includes(cpu))?.[0]
  const names = ['housekeeping', 'switch', 'realtime'] as const
  const plain = {
    node: node === undefined ? null : Number(node),
    set: names.find((name) => sets[name]?.includes(cpu)) ?? null,
    isOnline: host.online.includes(cpu),
    isIsolated: host.isolated?.includes(cpu) ?? null,
    uses: vms.flatMap((vm) => useOf(cpu, vm, labels.get(vm.pid) ?? '')),
  }
  return { ...plain, conflicts: conflictsOf(plain) }
}

/** A list of one when the plan of a VM puts anything on a CPU, else of none. */
function useOf(cpu: number, { pid, plan, found = null }: VmSnapshot, label: string): CpuUse[] {
  const threads = plan.threads ?? found
  if (threads === null) return []
  const isHere = (setting: { readonly cpus: CpuSet | null } | null) => setting?.cpus?.includes(cpu) === true
  const vcpus = threads.vcpus.filter(isHere).map(({ vcpu, policy, priority }) => ({
    vcpu,
    policy,
    priority: isRealtime({ policy }) ? priority : null,
  }))
  const others = [
    ...(isHere(threads.emulator) ? ['emulator'] : []),
    ...threads.iothreads.filter(isHere).map(({ id }) => `I/O thread ${id}`),
    ...(isHere(threads.workers) ? ['worker'] : []),
    ...(isHere(threads.vhost) ? ['vhost'] : []),
    ...(isHere(threads.contexts ?? null) ? ['thread context'] : []),
  ]
  return vcpus.length + others.length === 0 ? [] : [{ pid, label, vcpus, others }]
}
