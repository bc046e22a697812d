import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readQemuThreads } from '../../src/tune/processes.js'
import type { TimedCommand } from '../common/process-timer.js'
import { LAUNCHER, PATH } from '../common/project.js'
import { undoneOnExit } from '../common/undo.js'

/** One start, as its first vCPU's thread has seen it. */
export interface Start {
  /** From the launch until QEMU has made the thread. */
  readonly launchToThreadMs: number
  /** From then until it has its CPU and its policy. */
  readonly threadToTunedMs: number
}

export const EMULATOR = '/usr/bin/qemu-system-x86_64'

const VCPU_CPU = 1

const CONFIG = `
[host]
housekeeping = "0"
realtime = "${VCPU_CPU}"

[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 1 }
`

/** Emulated: how long a thread waits for its CPU does not depend on the accelerator. */
const GUEST = [
  ...['-name', 'bench', '-machine', 'q35', '-m', '64', '-accel', 'tcg'],
  ...['-nodefaults', '-display', 'none'],
]

/**
 * The launch of a guest whose vCPU gets a CPU and a policy.
 * @param scratch a directory, which gets a made host of two CPUs and a configuration
 */
export function realtimeLaunch(scratch: string): TimedCommand {
  const config = join(scratch, 'qemu-rt.toml')
  const cpus = join(scratch, 'sys/devices/system/cpu')
  writeFileSync(config, CONFIG)
  mkdirSync(cpus, { recursive: true })
  writeFileSync(join(cpus, 'present'), '0-1\n')
  return {
    command: [LAUNCHER, 'run', '--config', config, '--sysroot', scratch, '--profile', 'rt', '--', ...GUEST],
    env: { PATH, LC_ALL: 'C', HOME: '/', QEMU_RT_EMULATOR: EMULATOR },
  }
}

const START_MS = 30_000

/**
 * Starts a VM, waits until its vCPU's thread is as the profile has it, and ends it.
 * @throws {Error} when that takes too long
 */
export async function measureStart({ command, env }: TimedCommand): Promise<Start> {
  const [program = '', ...args] = command
  const began = performance.now()
  const qemu = spawn(program, args, { env, stdio: 'ignore' })
  const ended = once(qemu, 'exit')
  // Whoever waits for it comes later, and sees it then.
  ended.catch(() => {})
  const stop = undoneOnExit(() => qemu.kill('SIGKILL'))
  try {
    let appeared: number | null = null
    for (;;) {
      const vcpu = vcpuThread(qemu.pid ?? 0)
      const now = performance.now()
      if (vcpu !== null) appeared ??= now
      if (appeared !== null && vcpu?.isTuned)
        return { launchToThreadMs: appeared - began, threadToTunedMs: now - appeared }
      if (now - began > START_MS) throw new Error(`no vCPU's thread was set within ${START_MS / 1000} s`)
      // Seldom enough to take nothing from the tuner, whose CPU this may be.
      await sleep(1)
    }
  } finally {
    stop()
    await ended
  }
}

function vcpuThread(pid: number): { isTuned: boolean } | null {
  const threads = readQemuThreads(pid, { kernels: 'none' }) ?? []
  const vcpu = threads.find(({ name }) => name.startsWith('CPU 0/'))
  if (vcpu === undefined) return null
  const isPinned = vcpu.cpus.length === 1 && vcpu.cpus[0] === VCPU_CPU
  return { isTuned: isPinned && vcpu.policy === 'fifo' }
}
