import { closeSync, openSync, readSync } from 'node:fs'
import { parseStat, readProc, STAT, type Stat } from '../../host/proc.js'
import { listDirectory, readNumber } from '../../host/sysfs.js'
import { listPids } from '../../tune/processes.js'
import { type CpuSet, parseCpuSet } from '../../units/cpu-set.js'
import { readThrottling } from '../explained-host.js'
import type { OtherThread, Snapshot } from './causes.js'
import { type Counters, parseNamed, parsePerCpu, parseSchedstat, parseSteal } from './counters.js'

/** A vCPU's thread, and where it may run. */
export interface Subject {
  readonly tid: number
  readonly cpus: CpuSet
}

/**
 * Reads what the kernel has counted of threads of a QEMU and their CPUs, at one moment. It takes a few files for each thread of the
 * host, however many are asked for, and an interrupt on each CPU for the processor's counter: not for while something is measured.
 * @param pid QEMU's
 * @returns one a thread, in their order
 */
export function takeSnapshots(pid: number, subjects: readonly Subject[]): Snapshot[] {
  const quota = parseNamed(readProc(`${groupOf(pid)}/cpu.stat`) ?? '', QUOTA)
  const [times, waited] = QUOTA.map((name) => quota.get(name))
  const whole = {
    atMs: performance.now(),
    exits: readExits(pid),
    quota: times === undefined || waited === undefined ? null : { times, waited },
    throttling: readThrottling('/'),
  }
  const interrupts = readProc('/proc/interrupts') ?? ''
  const softirqs = readProc('/proc/softirqs') ?? ''
  const hostStat = readProc('/proc/stat') ?? ''
  const threads = readThreadTimes()
  return subjects.map(({ tid, cpus }) => {
    const task = `/proc/${pid}/task/${tid}`
    const stat = parseStat(readProc(`${task}/stat`) ?? '')
    const status = parseNamed(readProc(`${task}/status`) ?? '', SWITCHES)
    const delay = parseSchedstat(readProc(`${task}/schedstat`) ?? '')?.delay
    return {
      ...whole,
      cpus,
      runDelay: delay === undefined ? null : delay / 1000,
      voluntary: status.get('voluntary_ctxt_switches') ?? null,
      involuntary: status.get('nonvoluntary_ctxt_switches') ?? null,
      minorFaults: stat?.field(MINOR_FAULTS) ?? null,
      majorFaults: stat?.field(MAJOR_FAULTS) ?? null,
      interrupts: parsePerCpu(interrupts, cpus),
      softirqs: parsePerCpu(softirqs, cpus),
      smis: sum(cpus, readSmis),
      hot: sum(cpus, (cpu) => readNumber(`${CPUS}/cpu${cpu}/thermal_throttle/core_throttle_count`)),
      steal: parseSteal(hostStat, cpus),
      threads: othersOn(threads, tid, cpus),
    }
  })
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
    (listDirectory(`${directory}/${vm}`) ?? []).flatMap((name): [string, number][] => {
      const count = name.endsWith('_exits') ? readNumber(`${directory}/${vm}/${name}`) : null
      return count === null ? [] : [[name.slice(0, -'_exits'.length), count]]
    }),
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

/** A thread of the host. */
interface ThreadTimes {
  /** Its directory in /proc. */
  readonly task: string
  readonly tid: number
  readonly stat: Stat
  /** Microseconds of CPU time. */
  readonly run: number
}

/** Every thread of the host. Those that end until the next look are not seen. */
function readThreadTimes(): ThreadTimes[] {
  return listPids().flatMap((pid) =>
    (listDirectory(`/proc/${pid}/task`) ?? []).flatMap((name): ThreadTimes[] => {
      const task = `/proc/${pid}/task/${name}`
      const times = parseSchedstat(readProc(`${task}/schedstat`) ?? '')
      const stat = parseStat(readProc(`${task}/stat`) ?? '')
      return times === null || stat === null ? [] : [{ task, tid: Number(name), stat, run: times.run / 1000 }]
    }),
  )
}

/** Every thread but one, as it is seen from its CPUs. */
function othersOn(
  threads: readonly ThreadTimes[],
  own: number,
  cpus: CpuSet,
): ReadonlyMap<string, OtherThread> {
  return new Map(
    threads.flatMap(({ task, tid, stat, run }): [string, OtherThread][] => {
      if (tid === own) return []
      const wasThere = cpus.includes(stat.field(STAT.lastCpu))
      const isBound = wasThere && mayRunOn(task).every((cpu) => cpus.includes(cpu))
      return [[`${tid} ${stat.field(STAT.startTime)}`, { tid, name: stat.name, run, wasThere, isBound }]]
    }),
  )
}

function mayRunOn(task: string): CpuSet {
  return parseCpuSet(/^Cpus_allowed_list:\s*(.*)$/m.exec(readProc(`${task}/status`) ?? '')?.[1] ?? '') ?? []
}
