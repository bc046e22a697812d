import { closeSync, openSync, readSync } from 'node:fs'
import { parseStat, readProc, STAT } from '../../host/proc.js'
import { listDirectory, readNumber } from '../../host/sysfs.js'
import { listPids } from '../../tune/processes.js'
import { type CpuSet, parseCpuSet } from '../../units/cpu-set.js'
import { readThrottling } from '../explained-host.js'
import type { OtherThread, Snapshot } from './causes.js'
import { type Counters, parseNamed, parsePerCpu, parseSchedstat, parseSteal } from './counters.js'

/** A vCPU's thread, and where it may run. */
export interface Subject {
  /** QEMU's. */
  readonly pid: number
  readonly tid: number
  readonly cpus: CpuSet
}

/**
 * Reads what the kernel has counted of a thread and its CPUs. It takes a few files for each thread of the host, and an
 * interrupt on the CPU for the processor's counter: not for while something is measured.
 */
export function takeSnapshot({ pid, tid, cpus }: Subject): Snapshot {
  const task = `/proc/${pid}/task/${tid}`
  const stat = parseStat(readProc(`${task}/stat`) ?? '')
  const status = parseNamed(readProc(`${task}/status`) ?? '', SWITCHES)
  const delay = parseSchedstat(readProc(`${task}/schedstat`) ?? '')?.delay
  const quota = parseNamed(readProc(`${groupOf(pid)}/cpu.stat`) ?? '', QUOTA)
  const [times, waited] = QUOTA.map((name) => quota.get(name))
  return {
    atMs: performance.now(),
    cpus,
    runDelay: delay === undefined ? null : delay / 1000,
    voluntary: status.get('voluntary_ctxt_switches') ?? null,
    involuntary: status.get('nonvoluntary_ctxt_switches') ?? null,
    minorFaults: stat?.field(MINOR_FAULTS) ?? null,
    majorFaults: stat?.field(MAJOR_FAULTS) ?? null,
    interrupts: parsePerCpu(readProc('/proc/interrupts') ?? '', cpus),
    softirqs: parsePerCpu(readProc('/proc/softirqs') ?? '', cpus),
    exits: readExits(pid),
    smis: sum(cpus, readSmis),
    hot: sum(cpus, (cpu) => readNumber(`${CPUS}/cpu${cpu}/thermal_throttle/core_throttle_count`)),
    steal: parseSteal(readProc('/proc/stat') ?? '', cpus),
    quota: times === undefined || waited === undefined ? null : { times, waited },
    throttling: readThrottling('/'),
    threads: readOthers(tid, cpus),
  }
}

const CPUS = '/sys/devices/system/cpu'

/** Of proc(5), /proc/PID/status. */
const SWITCHES = ['voluntary_ctxt_switches', 'nonvoluntary_ctxt_switches']

/** Of proc(5), /proc/PID/stat. */
const MINOR_FAULTS = 10
const MAJOR_FAULTS = 12

/** Linux Documentation/admin-guide/cgroup-v2.rst, cpu.stat. */
const QUOTA = ['nr_throttled', 'throttled_usec']

function groupOf(pid: number): string {
  const path = /^0::(.*)$/m.exec(readProc(`/proc/${pid}/cgroup`) ?? '')?.[1]
  return `/sys/fs/cgroup${path ?? '/.none'}`
}

/** Counters of the VM (Linux Documentation/virt/kvm/api.rst names them; virt/kvm/kvm_main.c, kvm_create_vm_debugfs). */
function readExits(pid: number): Counters | null {
  const directory = '/sys/kernel/debug/kvm'
  const vms = (listDirectory(directory) ?? []).filter((name) => name.startsWith(`${pid}-`))
  const [vm] = vms
  if (vm === undefined) return null
  return new Map(
    (listDirectory(`${directory}/${vm}`) ?? [])
      .filter((name) => name.endsWith('_exits'))
      .map((name) => [name.slice(0, -'_exits'.length), readNumber(`${directory}/${vm}/${name}`) ?? 0]),
  )
}

/** MSR_SMI_COUNT, of Intel's processors (Intel SDM volume 4): 32 bits. */
const SMI_COUNT = 0x34

function readSmis(cpu: number): number | null {
  try {
    const file = openSync(`/dev/cpu/${cpu}/msr`, 'r')
    try {
      const value = Buffer.alloc(8)
      return readSync(file, value, 0, 8, SMI_COUNT) === 8 ? value.readUInt32LE(0) : null
    } finally {
      closeSync(file)
    }
  } catch {
    return null
  }
}

function sum(cpus: CpuSet, read: (cpu: number) => number | null): number | null {
  let total = 0
  for (const cpu of cpus) {
    const value = read(cpu)
    if (value === null) return null
    total += value
  }
  return total
}

/** Every thread but one that may run on the CPUs. Those that end until the next look are not seen. */
function readOthers(own: number, cpus: CpuSet): ReadonlyMap<string, OtherThread> {
  const threads = new Map<string, OtherThread>()
  for (const pid of listPids()) {
    for (const name of listDirectory(`/proc/${pid}/task`) ?? []) {
      const tid = Number(name)
      if (tid === own) continue
      const task = `/proc/${pid}/task/${tid}`
      const times = parseSchedstat(readProc(`${task}/schedstat`) ?? '')
      const stat = parseStat(readProc(`${task}/stat`) ?? '')
      if (times === null || stat === null) continue
      const wasThere = cpus.includes(stat.field(STAT.lastCpu))
      threads.set(`${tid} ${stat.field(STAT.startTime)}`, {
        ...{ tid, name: stat.name, run: times.run / 1000, wasThere },
        isBound: wasThere && mayRunOn(task).every((cpu) => cpus.includes(cpu)),
      })
    }
  }
  return threads
}

function mayRunOn(task: string): CpuSet {
  return parseCpuSet(/^Cpus_allowed_list:\s*(.*)$/m.exec(readProc(`${task}/status`) ?? '')?.[1] ?? '') ?? []
}
