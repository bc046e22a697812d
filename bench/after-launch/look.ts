import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { tunersEnded } from '../common/tuners.js'
import { undoneOnExit } from '../common/undo.js'
import { type Form, VCPU_CPU } from './forms.js'
import { isQemu, openDescriptors, processesAbove, processesMarked, pssKib, vcpuCpus } from './processes.js'

/** What there is of one VM once it runs. */
export interface Look {
  /** Processes besides QEMU that are there because of this VM. */
  readonly left: number
  readonly leftPssKib: number
  /** Whether QEMU has the PID of what was started. */
  readonly isStartedPid: boolean
  readonly descriptors: number
}

const START_MS = 30_000

/**
 * Starts a VM, looks once nobody sets threads any more, and ends it.
 * @throws {Error} when it does not run, or the profile was not applied
 */
export async function lookAfterLaunch({ wrapper, launch }: Form): Promise<Look> {
  const id = randomUUID()
  const { command, env } = launch(`bench-${id}`)
  const mark = `BENCH_MARK=${id}`
  const [program = '', ...args] = command
  const started = spawn(program, args, { env: { ...env, BENCH_MARK: id }, stdio: 'ignore' })
  const ended = once(started, 'exit')
  // Whoever waits for it comes later, and sees it then.
  ended.catch(() => {})
  const stop = undoneOnExit(() => {
    // A wrapper that stays ends with its QEMU; whatever else has the mark would be in the way of the next.
    const marked = processesMarked(mark)
    for (const pid of [...marked.filter(isQemu), ...marked.filter((pid) => !isQemu(pid))]) end(pid)
  })
  try {
    const qemu = await vmRuns(mark)
    await tunersEnded()
    if (wrapper === 'qemu-rt' && vcpuCpus(qemu) !== VCPU_CPU) throw new Error('the profile was not applied')
    const left = new Set([...processesMarked(mark), ...processesAbove(qemu)])
    left.delete(qemu)
    return {
      left: left.size,
      leftPssKib: [...left].reduce((sum, pid) => sum + pssKib(pid), 0),
      isStartedPid: qemu === started.pid,
      descriptors: openDescriptors(qemu),
    }
  } finally {
    stop()
    await ended
  }
}

/** Waits until QEMU has its vCPU. @returns QEMU's PID */
async function vmRuns(mark: string): Promise<number> {
  for (const end = performance.now() + START_MS; performance.now() < end; await sleep(20)) {
    const qemu = processesMarked(mark).find(isQemu)
    if (qemu !== undefined && vcpuCpus(qemu) !== null) return qemu
  }
  throw new Error(`QEMU has no vCPU after ${START_MS / 1000} s`)
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
