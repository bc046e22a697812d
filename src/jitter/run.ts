import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { guestEnded, guestNotPlaced, guestSilent, launchRefused, loadEnded } from '../errors/jitter.js'
import { EXIT } from '../errors/user-error.js'
import { deviations } from '../tune/deviations.js'
import { readPlan, readQemuThreads } from '../tune/processes.js'
import type { Thread } from '../tune/threads.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { explainJitter } from './explain.js'
import { type GuestMachine, guestImage, machineArguments } from './guest.js'
import { readJitterHost } from './host.js'
import { makeRecordReader } from './record.js'
import { type Arrival, type JitterResult, summarize } from './result.js'

export interface JitterRun {
  /** Path of the launcher. */
  readonly launcher: string
  readonly profile: string | null
  readonly machine: GuestMachine
  readonly accelerator: 'kvm' | 'tcg'
  readonly seconds: number
  /** A shell command that runs beside the guest; null for none. */
  readonly load: string | null
  /** Path of the configuration that has the profile; null for the default. */
  readonly config: string | null
  readonly emulator: string
}

/** How long the firmware may take until the guest runs; emulated on a busy machine it is slow. */
const BOOT_MS = 60_000

/** How long until the threads must be as planned. */
const PLACE_MS = 15_000

/** How often the guest is looked after. Seldom, since whoever looks may be what keeps it from running. */
const LOOK_MS = 200

/** What `run` would take from the environment, and what only the options are to say here. */
const OWN_VARIABLES = ['QEMU_RT_PROFILE', 'QEMU_RT_NIC', 'QEMU_RT_DRY_RUN', 'QEMU_RT_FORMAT']

/**
 * Runs the guest once, through the launcher, and says what it has seen.
 * @throws {UserError} exit 69 when the guest does not run or is not placed, 64 when the load ends by itself, and the
 *   launcher's own when it refuses
 */
export async function runJitter(run: JitterRun): Promise<JitterResult> {
  const directory = mkdtempSync(join(tmpdir(), 'qemu-rt-jitter-'))
  const children: ChildProcess[] = []
  const stopAll = () => {
    for (const child of children) stop(child)
    rmSync(directory, { recursive: true, force: true })
  }
  // Whoever presses Ctrl-C must not be left with a busy guest.
  const onSignal = () => {
    stopAll()
    process.exit(130)
  }
  for (const signal of SIGNALS) process.once(signal, onSignal)
  try {
    const guest = startGuest(run, directory)
    children.push(guest.child)
    await placed(run, guest)
    // Only now: firmware that shares a CPU with a load takes minutes.
    const load = run.load === null ? null : startLoad(run.load)
    if (load !== null) children.push(load)
    return await measure(run, guest, load)
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal)
    stopAll()
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

interface Guest {
  readonly child: ChildProcess
  readonly arrivals: Arrival[]
  /** The last line of a reason that QEMU, the launcher or the tuner wrote; the latter two begin it with `qemu-rt: `. */
  readonly said: () => string
}

function startGuest(run: JitterRun, directory: string): Guest {
  const { launcher, accelerator, machine } = run
  const image = join(directory, 'guest.img')
  writeFileSync(image, guestImage(machine.measured))
  // A file, since the tuner opens it by its name, which it cannot with the socket that Node makes.
  const log = join(directory, 'log')
  const stderr = openSync(log, 'a')
  const args = [
    ...['run', '--emulator', run.emulator, ...profileOptions(run, directory), '--'],
    ...[...machineArguments(machine), '-accel', accelerator],
    ...['-drive', `if=floppy,format=raw,readonly=on,file=${image}`, '-debugcon', 'stdio'],
  ]
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !OWN_VARIABLES.includes(name)),
  )
  const child = spawn(launcher, args, { env, stdio: ['ignore', 'pipe', stderr] })
  // Without a listener it would end this program; `hasEnded` sees it.
  child.on('error', () => {})
  closeSync(stderr)
  const arrivals: Arrival[] = []
  const read = makeRecordReader()
  child.stdout?.on('data', (chunk: Buffer) => {
    const atMs = performance.now()
    for (const record of read(chunk)) arrivals.push({ record, atMs })
  })
  // Who stopped QEMU has said why before QEMU says that it was stopped.
  const isReason = (line: string) => line !== '' && !line.includes(': terminating on signal ')
  const said = () => readFileSync(log, 'utf8').split('\n').findLast(isReason) ?? ''
  return { child, arrivals, said }
}

/** Best effort is without any configuration: a [[domain]] for every VM would make it something else. */
function profileOptions({ profile, config }: JitterRun, directory: string): string[] {
  if (profile !== null) return [...(config === null ? [] : ['--config', config]), '--profile', profile]
  const nothing = join(directory, 'nothing.toml')
  writeFileSync(nothing, '')
  return ['--config', nothing]
}

/** In a process group of its own, so that all of it can be ended. */
function startLoad(command: string): ChildProcess {
  return spawn('sh', ['-c', command], { stdio: 'ignore', detached: true })
}

/** Waits until the guest runs and its vCPU is as planned. */
async function placed({ profile }: JitterRun, guest: Guest): Promise<void> {
  const bootEnd = performance.now() + BOOT_MS
  for (; guest.arrivals.length < 2; await sleep(50)) {
    checkRuns(guest)
    if (performance.now() > bootEnd) {
      throw guestSilent({ reason: `for ${BOOT_MS / 1000} s`, said: ourWords(guest.said()) })
    }
  }
  const placeEnd = performance.now() + PLACE_MS
  for (; !isPlaced(guest.child.pid ?? 0); await sleep(50)) {
    checkRuns(guest)
    if (performance.now() > placeEnd)
      throw guestNotPlaced({ profile: profile ?? '', said: ourWords(guest.said()) })
  }
}

/** @throws {UserError} when QEMU has ended, or was never started */
function checkRuns({ child, said, arrivals }: Guest): void {
  if (!hasEnded(child)) return
  const line = said()
  const exitCode = Object.values(EXIT).find((code) => code === child.exitCode)
  if (exitCode !== undefined && line !== '') throw launchRefused({ exitCode, said: ourWords(line) })
  // The tuner stops a VM whose profile is strict; another accelerator would not help.
  if (arrivals.length > 0 || line !== ourWords(line))
    throw guestEnded({ how: how(child), said: ourWords(line) })
  throw guestSilent({ reason: `QEMU ended: ${how(child)}`, said: line })
}

function ourWords(line: string): string {
  return line.replace(/^qemu-rt: /, '')
}

async function measure(run: JitterRun, guest: Guest, load: ChildProcess | null): Promise<JitterResult> {
  const { child, arrivals } = guest
  // The record that is being made has seen the time before.
  const from = arrivals.length + 1
  for (; coveredMs(arrivals, from) < run.seconds * 1000 || arrivals.length < from + 2; await sleep(LOOK_MS)) {
    checkRuns(guest)
    if (load !== null && hasEnded(load)) throw loadEnded({ command: run.load ?? '', how: how(load) })
  }
  const vcpu = vcpuThread(child.pid ?? 0, run.machine.measured)
  const result = summarize(arrivals.slice(from))
  return {
    profile: run.profile,
    accelerator: run.accelerator,
    vcpu: {
      number: run.machine.measured,
      cpus: vcpu === null ? null : formatCpuSet(vcpu.cpus),
      policy: vcpu?.policy ?? null,
      priority: vcpu?.priority ?? null,
    },
    ...result,
    explanations: explainJitter({
      accelerator: run.accelerator,
      worstMicroseconds: result.worstMicroseconds,
      vcpu,
      ...readJitterHost('/', vcpu),
    }),
  }
}

/** How much time the records from one on cover: from when the one before came. */
function coveredMs(arrivals: readonly Arrival[], from: number): number {
  return (arrivals.at(-1)?.atMs ?? 0) - (arrivals[from - 1]?.atMs ?? 0)
}

/** Whether the tuner has placed the vCPU; without a plan there is none to do. */
function isPlaced(pid: number): boolean {
  const threads = readPlan(pid)?.threads ?? null
  const different = threads === null ? [] : deviations(readQemuThreads(pid) ?? [], threads)
  return !different.some(({ role }) => role.kind === 'vcpu' || role.kind === 'all-vcpus')
}

/** The thread of a vCPU; `ALL CPUs` is TCG's when one thread has them all. */
function vcpuThread(pid: number, vcpu: number): Thread | null {
  const threads = readQemuThreads(pid, { kernels: 'none' }) ?? []
  return threads.find(({ name }) => name.startsWith(`CPU ${vcpu}/`) || name.startsWith('ALL CPUs/')) ?? null
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

function how(child: ChildProcess): string {
  if (child.pid === undefined) return `${child.spawnfile} cannot be run`
  return child.signalCode ?? `exit code ${child.exitCode}`
}

/** Ends a child; the load with all that it has started. */
function stop(child: ChildProcess): void {
  if (child.pid === undefined) return
  const isGroup = child.spawnargs[0] === 'sh'
  try {
    process.kill(isGroup ? -child.pid : child.pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
