import { spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const STAND_IN = fileURLToPath(new URL('stand-in-qemu', import.meta.url))
export const EMULATOR_ENTRY = 'qemu-rt-system-x86_64'
export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What the stand-in for QEMU found that it was started with. */
export interface Received {
  readonly pid: number
  readonly args: readonly Buffer[]
  /** `NAME=value`, sorted: a shell passes the environment on in an order of its own. */
  readonly env: readonly string[]
  /** Descriptor → what it is open on. */
  readonly descriptors: Readonly<Record<string, string>>
  /** `SigBlk`, `SigIgn` and `SigCgt` of /proc/PID/status. */
  readonly signals: Readonly<Record<string, string>>
  readonly limits: string
  readonly cwd: string
  readonly children: string
  readonly stdin: string
}

/** How to start it, and what is in place when it starts. */
export interface Start {
  readonly args: readonly string[]
  /** The whole environment, but for what the stand-in needs. */
  readonly env?: Readonly<Record<string, string>>
  /** Programs that become their command, such as `env --block-signal=USR1`. */
  readonly prefix?: readonly string[]
  readonly cwd?: string
  /** Files to open as descriptors 3, 4, … */
  readonly files?: readonly number[]
  readonly stdin?: string
}

export interface Outcome {
  readonly pid: number | undefined
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  /** null when the stand-in was not started. */
  readonly received: Received | null
}

/** A directory that goes when the test ends, with a path short enough for a socket in it (unix(7): 108 bytes). */
export function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'qemu-rt-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Starts a program that is to become the stand-in, and waits until it has ended. */
export async function start(t: Test, program: string, options: Start): Promise<Outcome> {
  const directory = temporaryDirectory(t)
  const [command = program, ...rest] = [...(options.prefix ?? []), program, ...options.args]
  const child = spawn(command, rest, {
    cwd: options.cwd,
    env: { PATH, QEMU_RT_EMULATOR: STAND_IN, STANDIN_DIR: directory, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe', ...(options.files ?? [])],
  })
  // A launcher that ends without reading is no error of the test.
  child.stdin?.on('error', () => {})
  child.stdin?.end(options.stdin ?? '')
  const output = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk) => (output.stdout += chunk))
  child.stderr?.on('data', (chunk) => (output.stderr += chunk))
  const end = await new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  return { pid: child.pid, ...end, ...output, received: readReceived(directory) }
}

function readReceived(directory: string): Received | null {
  if (!existsSync(join(directory, 'stdin'))) return null
  const text = (name: string) => readFileSync(join(directory, name), 'latin1')
  const status = Object.fromEntries(
    text('status')
      .split('\n')
      .map((line) => line.split(':\t', 2)),
  )
  return {
    pid: Number(status.Pid),
    // The first two are the shell that runs the stand-in, and the stand-in.
    args: splitAtNul(readFileSync(join(directory, 'cmdline'))).slice(2),
    env: splitAtNul(readFileSync(join(directory, 'environ')))
      .map((entry) => entry.toString('latin1'))
      .filter((entry) => !entry.startsWith('STANDIN_DIR='))
      .sort(),
    descriptors: Object.fromEntries(
      [...text('fd').matchAll(/ (\d+) -> (.*)/g)]
        .map(([, descriptor = '', target = '']) => [descriptor, target] as const)
        .filter(([, target]) => target !== STAND_IN),
    ),
    signals: { SigBlk: status.SigBlk, SigIgn: status.SigIgn, SigCgt: status.SigCgt },
    limits: text('limits'),
    cwd: text('cwd').trimEnd(),
    children: text('children').trim(),
    stdin: text('stdin'),
  }
}

function splitAtNul(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(0, from)
    pieces.push(bytes.subarray(from, end < 0 ? bytes.length : end))
    from = end < 0 ? bytes.length : end + 1
  }
  return pieces
}

/** The launcher of this checkout. */
export function launcher(entry: string = EMULATOR_ENTRY): string {
  return join(ROOT, 'bin', entry)
}

/** A copy of this checkout's launcher that every user can start; a checkout may be in a home that others cannot enter. */
export function launcherForAll(t: Test, entry: string = EMULATOR_ENTRY): string {
  const root = temporaryDirectory(t)
  chmodSync(root, 0o755)
  for (const part of ['bin', 'dist'])
    cpSync(join(ROOT, part), join(root, part), { recursive: true, verbatimSymlinks: true })
  return join(root, 'bin', entry)
}

export interface PlannerForm {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
}

/** The forms in which the planner was built: for Node always, as an executable where Bun has a binary. */
export function plannerForms(): PlannerForm[] {
  const forms = [{ name: 'the planner run by Node', env: { QEMU_RT_PLANNER_RUNTIME: 'node' } }]
  const executable = existsSync(join(ROOT, 'dist/qemu-rt-planner'))
  return executable ? [...forms, { name: 'the planner as an executable', env: {} }] : forms
}

/**
 * A launcher laid out as in a checkout, with sh text for a planner, to see what the launcher does by itself.
 * @param planner null for a checkout that was not built
 * @returns path of the entry
 */
export function launcherWithPlanner(t: Test, planner: string | null, entry: string = EMULATOR_ENTRY): string {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'bin'))
  mkdirSync(join(root, 'dist'))
  copyFileSync(launcher('qemu-rt'), join(root, 'bin/qemu-rt'))
  if (entry !== 'qemu-rt') symlinkSync('qemu-rt', join(root, 'bin', entry))
  if (planner !== null) {
    writeFileSync(join(root, 'dist/qemu-rt-planner'), `#!/bin/sh\n${planner}\n`)
    chmodSync(join(root, 'dist/qemu-rt-planner'), 0o755)
  }
  return join(root, 'bin', entry)
}

/** Processes that still have a text in their environment. */
export function processesWith(text: string): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(text)
    } catch {
      return false
    }
  })
}
