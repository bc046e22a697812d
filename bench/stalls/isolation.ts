import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HOUSEKEEPING_CPU } from './cpus.js'

const CPUSET = '/sys/fs/cgroup/cpuset'
const GROUP = join(CPUSET, 'qemu-rt-bench')
const BALANCE = join(CPUSET, 'cpuset.sched_load_balance')

/** Whether a CPU can be isolated while the machine runs: with cgroup v1, and balancing as it was at boot. */
export function canIsolate(): boolean {
  try {
    writeFileSync(BALANCE, readFileSync(BALANCE))
    return readFileSync(BALANCE, 'utf8').trim() === '1'
  } catch {
    return false
  }
}

/**
 * Leaves the scheduler the housekeeping CPU alone, as `isolcpus` does at boot: nothing is balanced on the others, and
 * whatever can be moved goes from there. Only cgroup v1 lets a QEMU use both sides then (Linux
 * Documentation/admin-guide/cgroup-v1/cpusets.rst, "What is sched_load_balance?"): this process does, and what it starts.
 */
export function isolate(): void {
  mkdirSync(GROUP, { recursive: true })
  writeFileSync(join(GROUP, 'cpuset.cpus'), String(HOUSEKEEPING_CPU))
  writeFileSync(join(GROUP, 'cpuset.mems'), readFileSync(join(CPUSET, 'cpuset.mems')))
  const own = new Set(readdirSync('/proc/self/task'))
  moveTasks(CPUSET, GROUP, own)
  writeFileSync(BALANCE, '0')
}

/** Undoes {@link isolate}. */
export function release(): void {
  writeFileSync(BALANCE, '1')
  moveTasks(GROUP, CPUSET)
  rmdirSync(GROUP)
}

function moveTasks(from: string, to: string, without: ReadonlySet<string> = new Set()): void {
  for (const task of readFileSync(join(from, 'tasks'), 'utf8').split('\n')) {
    if (task === '' || without.has(task)) continue
    try {
      writeFileSync(join(to, 'tasks'), task)
    } catch {
      // It has ended, or is a kernel's thread of one CPU.
    }
  }
}
