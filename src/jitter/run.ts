import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { guestNotPlaced, guestSilent, loadEnded } from '../errors/jitter.js'
import { readCpus } from '../host/cpus.js'
import { readAttribute, readNumber } from '../host/sysfs.js'
import { openSysroot } from '../host/sysroot.js'
import { deviations } from '../tune/deviations.js'
import { readPlan, readQemuThreads } from '../tune/processes.js'
import type { Thread } from '../tune/threads.js'
import { parseCpuSet } from '../units/cpu-set.js'
import { explainJitter } from './explain.js'
import { GUEST_IMAGE } from './guest-image.js'
import { makeRecordReader } from './record.js'
import { type Arrival, type JitterResult, summarize } from './result.js'

export interface JitterRun {
  /** Path of the launcher. */
  readonly launcher: string
  readonly profile: string | null
  readonly accelerator: 'kvm' | 'tcg'
  readonly seconds: number
  /** A shell command that runs beside the guest; null for none. */
  readonly load: string | null
  /** Options of `run` besides: configuration, emulator. */
  readonly options: readonly string[]
}

/** How long the firmware may take until the guest runs; emulated on a busy machine it is slow. */
const BOOT_MS = 60_000

/** How long until the threads must be as planned. */
const PLACE_MS = 15_000

/** As for libvirt's domains: no device that is not needed. A processor that every KVM has. */
const MACHINE = [
  '-machine',
  'pc',
  '-cpu',
  'pentium',
  '-m',
  '32',
  '-nodefaults',
  '-display',
  'none',
  '-no-user-config',
]

/**
 * Runs the guest once, through the launcher, and says what it has seen.
 * @throws {UserError} exit 69 when the guest does not run or is not placed, 64 when the load ends by itself
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
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  try {
    const guest = startGuest(run, directory)
    children.push(guest.child)
    await placed(run, guest)
    // Only now: firmware that shares a CPU with a load takes minutes.
    const load = run.load === null ? null : startLoad(run.load)
    if (load !== null) children.push(load)
    return await measure(run, guest, load)
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    stopAll()
  }
}

interface Guest {
  readonly child: ChildProcess
  readonly arrivals: Arrival[]
  /** The last line that QEMU, the launcher or the tuner wrote. */
  readonly said: () => string
}

function startGuest({ launcher, profile, accelerator, options }: JitterRun, directory: string): Guest {
  const image = join(directory, 'guest.img')
  writeFileSync(image, GUEST_IMAGE)
  // A file, since the tuner opens it by its name, which it cannot with the socket that Node makes.
  const log = join(directory, 'log')
  const stderr = openSync(log, 'a')
  const chosen = profile === null ? [] : ['--profile', profile]
  const child = spawn(
    launcher,
    [
      ...[
        'run',
        ...options,
        ...chosen,
        '--',
        '-name',
        'guest=qemu-rt-jitter',
        ...MACHINE,
        '-accel',
        accelerator,
      ],
      ...['-drive', `if=floppy,format=raw,readonly=on,file=${image}`, '-debugcon', 'stdio'],
    ],
    { stdio: ['ignore', 'pipe', stderr] },
  )
  closeSync(stderr)
  const arrivals: Arrival[] = []
  const read = makeRecordReader()
  child.stdout?.on('data', (chunk: Buffer) => {
    const atMs = performance.now()
    for (const record of read(chunk)) arrivals.push({ record, atMs })
  })
  const said = () =>
    readFileSync(log, 'utf8')
      .trimEnd()
      .split('\n')
      .at(-1)
      ?.replace(/^qemu-rt: /, '') ?? ''
  return { child, arrivals, said }
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
      throw guestSilent({ reason: `for ${BOOT_MS / 1000} s`, said: guest.said() })
    }
  }
  const placeEnd = performance.now() + PLACE_MS
  for (; !isPlaced(guest.child.pid ?? 0); await sleep(50)) {
    checkRuns(guest)
    if (performance.now() > placeEnd) throw guestNotPlaced({ profile: profile ?? '', said: guest.said() })
  }
}

function checkRuns({ child, said }: Guest): void {
  if (hasEnded(child)) throw guestSilent({ reason: `QEMU ended: ${how(child)}`, said: said() })
}

async function measure(run: JitterRun, guest: Guest, load: ChildProcess | null): Promise<JitterResult> {
  const { child, arrivals } = guest
  // The record that is being made has seen the time before.
  const from = arrivals.length + 1
  let vcpu: Thread | null = null
  for (; coveredMs(arrivals, from) < run.seconds * 1000 || arrivals.length < from + 2; await sleep(50)) {
    checkRuns(guest)
    if (load !== null && hasEnded(load)) throw loadEnded({ command: run.load ?? '', how: how(load) })
    vcpu = vcpuThread(child.pid ?? 0) ?? vcpu
  }
  const result = summarize(arrivals.slice(from))
  return {
    profile: run.profile,
    accelerator: run.accelerator,
    ...result,
    explanations: explainJitter({
      accelerator: run.accelerator,
      worstMicroseconds: result.worstMicroseconds,
      vcpu,
      ...readHost(),
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

function vcpuThread(pid: number): Thread | null {
  return (
    readQemuThreads(pid, { kernels: false })?.find(({ name }) => /^(CPU 0|ALL CPUs)\//.test(name)) ?? null
  )
}

function readHost() {
  const cpus = readCpus(openSysroot('/'), true)
  return {
    isolated: cpus?.isolated ?? null,
    realtimeRuntime: cpus?.realtimeRuntime ?? null,
    fullDynticks: parseCpuSet(
      readAttribute('/sys/devices/system/cpu/nohz_full')?.replace('(null)', '') ?? '',
    ),
    isRealtimeKernel: readNumber('/sys/kernel/realtime') === 1,
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

function how(child: ChildProcess): string {
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
