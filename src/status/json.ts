import type { ThreadSetting } from '../plan/threads/thread-plan.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { printableJson } from '../units/printable.js'
import type { CpuRow, CpuUse } from './cpu.js'
import { isFree } from './cpu-map.js'
import type { InterruptStatus } from './interrupts.js'
import type { Status } from './status.js'
import { countDrift, type ThreadStatus, type VmStatus } from './vms.js'

/** Writes a status as docs/status.md describes it. @param indent blanks by level; 0 for one line */
export function statusJson({ time, seconds, seesAll, vms, map }: Status, indent: number): string {
  const json = {
    version: 1,
    time: time.toISOString(),
    seconds: rounded(seconds, 3),
    allUsers: seesAll,
    vms: vms.map(vmJson),
    cpus: map.map(rowJson),
  }
  return `${printableJson(json, indent)}\n`
}

function vmJson(vm: VmStatus): object {
  const { usage } = vm
  return {
    guest: vm.guest,
    pid: vm.pid,
    profile: vm.profile,
    recordedBy: vm.word,
    uptimeSeconds: rounded(usage?.uptimeSeconds, 0),
    cpuPercent: rounded(usage?.cpuPercent, 1),
    memoryBytes: usage?.memory ?? null,
    hugePagesBytes: usage?.hugePages ?? null,
    planned: countDrift([vm]).planned,
    drifted: countDrift([vm]).drifted,
    missing: vm.missing,
    unplaced: vm.unplaced,
    threads: vm.threads.map(threadJson),
    interrupts: vm.interrupts.map(interruptsJson),
  }
}

function interruptsJson({ address, name, numbers, cpus, count, newCount, wanted, trouble }: InterruptStatus) {
  return {
    address,
    nic: name,
    numbers,
    cpus: formatCpuSet(cpus),
    wanted: wanted === null ? null : formatCpuSet(wanted),
    count,
    newCount,
    trouble,
  }
}

function threadJson({ thread, role, wanted, drift, newSwitches, cpuPercent }: ThreadStatus): object {
  return {
    tid: thread.tid,
    name: thread.name,
    role,
    cpus: formatCpuSet(thread.cpus),
    policy: thread.policy,
    priority: thread.priority,
    wanted: wanted === null ? null : wantedJson(wanted),
    drift,
    lastCpu: thread.lastCpu,
    involuntarySwitches: thread.involuntarySwitches,
    newInvoluntarySwitches: newSwitches,
    cpuPercent: rounded(cpuPercent, 1),
  }
}

function wantedJson({ cpus, policy, priority }: ThreadSetting): object {
  return { cpus: cpus === null ? null : formatCpuSet(cpus), policy, priority }
}

function rowJson(row: CpuRow): object {
  return {
    cpus: formatCpuSet(row.cpus),
    node: row.node,
    set: row.set,
    online: row.isOnline,
    isolated: row.isIsolated,
    free: isFree(row),
    uses: row.uses.map(({ pid, vcpus, others }: CpuUse) => ({ pid, vcpus, others })),
    conflicts: row.conflicts,
  }
}

function rounded(value: number | null | undefined, digits: number): number | null {
  return value == null ? null : Number(value.toFixed(digits))
}
