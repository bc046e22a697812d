import type { HostCpus } from '../../src/host/facts.js'
import { parseVm, type VmRecord } from '../../src/record/vm.js'
import type { Line } from '../../src/status/line.js'
import type { Snapshot, Usage } from '../../src/status/snapshot.js'
import type { Thread } from '../../src/tune/threads.js'
import { parseCpuSet } from '../../src/units/cpu-set.js'

/** A plan as QEMU's environment has it. @param threads as the plan's JSON has them */
export function plan(
  name: string | null,
  threads: object | null,
  more: object = {},
): VmRecord & { readonly word: number } {
  const json = {
    version: 1,
    id: `made-for-${name}`.replace(/[^\w-]/g, '_').slice(0, 60),
    guest: { name },
    threads,
  }
  const made = parseVm(JSON.stringify({ ...json, ...more }))
  if (made === null) throw new Error('this is no plan')
  return { ...made, word: 0 }
}

/** A thread as the kernel shows it: `CPU 0/KVM` on CPUs `4`, best effort unless said otherwise. */
export function thread(tid: number, name: string, cpus: string, more: Partial<Thread> = {}): Thread {
  const set = cpuSet(cpus)
  return {
    tid,
    name,
    cpus: set,
    policy: 'other',
    priority: 0,
    lastCpu: set[0] ?? 0,
    ticks: 0,
    involuntarySwitches: 0,
    ...more,
  }
}

export const USAGE: Usage = {
  cpuPercent: 102.46,
  memory: 1.25 * 1024 ** 3,
  hugePages: 0,
  uptimeSeconds: 3 * 86_400 + 4 * 3600 + 59,
}

/** A VM of one vCPU at fifo 1 on a CPU of its own, as planned. */
export function smallVm(name: string, pid: number, cpu: string) {
  return {
    pid,
    plan: plan(name, {
      vcpus: [{ vcpu: 0, cpus: cpu, policy: 'fifo', priority: 1 }],
      emulator: { cpus: '0-1' },
    }),
    threads: [
      thread(pid, 'qemu-system-x86', '0-1'),
      thread(pid + 1, 'CPU 0/KVM', cpu, { policy: 'fifo', priority: 1 }),
    ],
    usage: USAGE,
  }
}

/** CPUs 0 to 7: two for housekeeping, two for the switch, four for VMs. */
export function snapshot(more: Partial<Snapshot> & { cpus?: HostCpus | null } = {}): Snapshot {
  return {
    time: new Date('2026-01-02T03:04:05Z'),
    at: 10_000,
    vms: [],
    seesAll: true,
    cpus: cpus('0-7', '2-7'),
    sets: { housekeeping: cpuSet('0-1'), switch: cpuSet('2-3'), realtime: cpuSet('4-7') },
    ...more,
  }
}

export function cpus(present: string, isolated: string, more: Partial<HostCpus> = {}): HostCpus {
  return {
    present: cpuSet(present),
    online: cpuSet(present),
    isolated: cpuSet(isolated),
    cpuset: null,
    siblings: {},
    nodes: { 0: cpuSet(present) },
    realtimeRuntime: -1,
    ...more,
  }
}

/** Lines as a terminal without colour shows them. */
export function textOf(lines: readonly Line[]): string {
  return lines.map(({ text }) => `${text}\n`).join('')
}

export function cpuSet(text: string) {
  return parseCpuSet(text) ?? []
}
