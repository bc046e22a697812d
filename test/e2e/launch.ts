import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { launcher, PATH, temporaryDirectory } from '../launcher/launcher.js'
import { connectQmp, type Qmp } from './qmp.js'
import { waitFor } from './wait.js'

export const QEMU = '/usr/bin/qemu-system-x86_64'

/** TCG starts everywhere and in the same way; a machine's /dev/kvm may be there and run nothing. */
const ACCEL = process.env.QEMU_RT_TEST_ACCEL ?? 'tcg'

export interface Running {
  readonly pid: number
  readonly stderr: () => string
  /** Connects to the monitor. @throws {Error} with QEMU's words when it ended instead of starting */
  readonly qmp: () => Promise<Qmp>
  readonly stop: () => Promise<void>
}

/**
 * Starts QEMU without devices or display, and with a monitor; it is stopped when the test ends.
 * @param through `launcher`: by the emulator entry; `qemu`: bypassing it
 */
export function startQemu(t: Test, through: 'launcher' | 'qemu', args: readonly string[]): Running {
  const monitor = join(temporaryDirectory(t), 'qmp')
  const common = [
    '-nodefaults',
    '-display',
    'none',
    '-accel',
    ACCEL,
    '-qmp',
    `unix:${monitor},server=on,wait=off`,
  ]
  const program = through === 'launcher' ? launcher() : QEMU
  const child = spawn(program, [...common, ...args], {
    env: { PATH, QEMU_RT_EMULATOR: QEMU },
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += chunk))
  const stop = () => stopChild(child)
  t.teardown(stop)
  return {
    pid: child.pid ?? 0,
    stderr: () => stderr,
    stop,
    qmp: async () => {
      await waitFor("QEMU's monitor", 30, () => {
        if (hasEnded(child)) throw new Error(`QEMU ended (${child.exitCode ?? child.signalCode}): ${stderr}`)
        return existsSync(monitor)
      })
      const qmp = await connectWhenListening(monitor).catch((error) => {
        throw new Error(`${error.message}: ${stderr}`)
      })
      t.teardown(() => qmp.close())
      return qmp
    },
  }
}

/** The socket's file is there from bind(2) on, a moment before QEMU listens. */
async function connectWhenListening(monitor: string, tries = 40): Promise<Qmp> {
  try {
    return await connectQmp(monitor)
  } catch (error) {
    if (tries === 0 || (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error
    await new Promise((resolve) => setTimeout(resolve, 50))
    return connectWhenListening(monitor, tries - 1)
  }
}

/** Ends a child by its PID and waits until it has. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const patience = setTimeout(() => child.kill('SIGKILL'), 5000)
  await ended
  clearTimeout(patience)
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
