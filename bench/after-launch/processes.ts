import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** PIDs of all processes whose environment has a variable with this value; nobody else's has one that is made up for it. */
export function processesMarked(variable: string): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  return pids.filter((pid) => orGone(() => environment(pid).includes(variable), false))
}

/** Whether it has become QEMU. */
export function isQemu(pid: number): boolean {
  return orGone(() => readlinkSync(`/proc/${pid}/exe`).endsWith('/qemu-system-x86_64'), false)
}

/** PIDs of the processes between this one and a descendant; up to init when it has been orphaned. */
export function processesAbove(pid: number): number[] {
  const parent = orGone(() => Number(field(`/proc/${pid}/status`, 'PPid')), 0)
  return parent <= 1 || parent === process.pid ? [] : [parent, ...processesAbove(parent)]
}

/** What a process takes of the memory, what it shares by its part; 0 when it has just ended. */
export function pssKib(pid: number): number {
  return orGone(() => Number.parseInt(field(`/proc/${pid}/smaps_rollup`, 'Pss'), 10), 0)
}

/** @throws {Error} when it has ended */
export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** On which CPUs the first vCPU's thread may run; null as long as there is no such thread. */
export function vcpuCpus(pid: number): string | null {
  const threads = orGone(() => readdirSync(`/proc/${pid}/task`), [])
  for (const thread of threads) {
    const status = `/proc/${pid}/task/${thread}/status`
    const cpus = orGone(
      () => (field(status, 'Name') === 'CPU 0/TCG' ? field(status, 'Cpus_allowed_list') : null),
      null,
    )
    if (cpus !== null) return cpus
  }
  return null
}

function environment(pid: number): string[] {
  return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
}

function field(path: string, name: string): string {
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`))
  return line?.slice(name.length + 1).trim() ?? ''
}

/** Processes end while they are looked at. */
function orGone<T>(read: () => T, gone: T): T {
  try {
    return read()
  } catch {
    return gone
  }
}
