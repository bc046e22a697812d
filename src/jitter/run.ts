import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { guestEnded, guestNotPlaced, guestSilent, launchRefused, loadEnded } from '../errors/jitter.js'
import { EXIT, UserError } from '../errors/user-error.js'
import { readCpus } from '../host/cpus.js'
import { readAttribute, readNumber } from '../host/sysfs.js'
import { openSysroot } from '../host/sysroot.js'
import { deviations } from '../tune/deviations.js'
import { readPlan, readQemuThreads } from '../tune/processes.js'
import type { Thread } from '../tune/threads.js'
import { formatCpuSet, parseCpuSet } from '../units/cpu-set.js'
import { hasEnded, how, startLoad, stop, withChildren } from './children.js'
import { explainJitter, hasFairServer } from './explain.js'
import { type GuestMachine, type GuestTask, guestImage, machineArguments } from './guest.js'
import { coveredMs, haveReported, type Meter, newMeter, take } from './meter.js'
import { finish, type Observer, type Watched } from './observer.js'
import { makeRecordReader } from './record.js'
import { type JitterResult, type PlacedVcpu, summarize } from './result.js'

export interface JitterRun extends GuestTask {
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
  /** Look at the host around the measurement, in this order; absent for none. */
  readonly observers?: readonly Observer[]
  /** Is told how far it is, while it measures. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** How far a measurement is. */
export interface Progress {
  readonly seconds: number
  readonly worstMicroseconds: number
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
  return withChildren(
    async ({ add }) => {
      const guest = startGuest(run, directory)
      add(guest.child)
      await placed(run, guest)
      // Only now: firmware that shares a CPU with a load takes minutes.
      const load = run.load === null ? null : add(startLoad(run.load))
      const watched = watch(run, guest)
      const result = await measure(run, guest, load, watched)
      stop(guest.child)
      return await finish(run.observers, 'alone', watched, result)
    },
    () => rmSync(directory, { recursive: true, force: true }),
  )
}

interface Guest {
  readonly child: ChildProcess
  readonly meter: Meter
  /** When the first record came; null before. */
  readonly firstMs: () => number | null
  /** What is wrong with what it reports; null for nothing. */
  readonly problem: () => UserError | null
  /** The last line of a reason that QEMU, the launcher or the tuner wrote; the latter two begin it with `qemu-rt: `. */
  readonly said: () => string
}

function startGuest(run: JitterRun, directory: string): Guest {
  const { launcher, accelerator, machine } = run
  const image = join(directory, 'guest')
  writeFileSync(image, guestImage(machine, run))
  // A file, since the tuner opens it by its name, which it cannot with the socket that Node makes.
  const log = join(directory, 'log')
  const stderr = openSync(log, 'a')
  const args = [
    ...['run', '--emulator', run.emulator, ...profileOptions(run, directory), '--'],
    ...[...machineArguments(machine, accelerator, run.mode), '-accel', accelerator],
    ...['-kernel', image, '-debugcon', 'stdio'],
  ]
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !OWN_VARIABLES.includes(name)),
  )
  const child = spawn(launcher, args, { env, stdio: ['ignore', 'pipe', stderr] })
  // Without a listener it would end this program; `hasEnded` sees it.
  child.on('error', () => {})
  closeSync(stderr)
  const meter = newMeter(machine.measured)
  const read = makeRecordReader()
  let firstMs: number | null = null
  let problem: UserError | null = null
  child.stdout?.on('data', (chunk: Buffer) => {
    const atMs = performance.now()
    try {
      for (const record of problem === null ? read(chunk) : []) {
        firstMs ??= atMs
        take(meter, record, atMs)
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      problem = error
    }
  })
  // Who stopped QEMU has said why before QEMU says that it was stopped.
  const isReason = (line: string) => line !== '' && !line.includes(': terminating on signal ')
  const said = () => readFileSync(log, 'utf8').split('\n').findLast(isReason) ?? ''
  return { child, meter, firstMs: () => firstMs, problem: () => problem, said }
}

/** Best effort is without any configuration: a [[domain]] for every VM would make it something else. */
function profileOptions({ profile, config }: JitterRun, directory: string): string[] {
  if (profile !== null) return [...(config === null ? [] : ['--config', config]), '--profile', profile]
  const nothing = join(directory, 'nothing.toml')
  writeFileSync(nothing, '')
  return ['--config', nothing]
}

/** Waits until the guest runs and its vCPU is as planned. */
async function placed({ profile }: JitterRun, guest: Guest): Promise<void> {
  const bootEnd = performance.now() + BOOT_MS
  for (; !haveReported(guest.meter, 2); await sleep(50)) {
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

/** @throws {UserError} when QEMU has ended, was never started, or reports what cannot be */
function checkRuns({ child, said, firstMs, problem }: Guest): void {
  const wrong = problem()
  if (wrong !== null) throw wrong
  if (!hasEnded(child)) return
  const line = said()
  const exitCode = Object.values(EXIT).find((code) => code === child.exitCode)
  if (exitCode !== undefined && line !== '') throw launchRefused({ exitCode, said: ourWords(line) })
  // The tuner stops a VM whose profile is strict; another accelerator would not help.
  if (firstMs() !== null || line !== ourWords(line))
    throw guestEnded({ how: how(child), said: ourWords(line) })
  throw guestSilent({ reason: `QEMU ended: ${how(child)}`, said: line })
}

function ourWords(line: string): string {
  return line.replace(/^qemu-rt: /, '')
}

/** What the observers are told of the guest. */
function watch({ machine, load, seconds }: JitterRun, { child }: Guest): Watched {
  const threads = vcpuThreads(child.pid ?? 0, machine.measured)
  const vcpus = [...threads].map(([number, thread]) => ({ number, thread }))
  return { pid: child.pid ?? 0, load, seconds, vcpus }
}

async function measure(
  run: JitterRun,
  guest: Guest,
  load: ChildProcess | null,
  watched: Watched,
): Promise<JitterResult> {
  const { child, meter, firstMs } = guest
  for (const { before } of run.observers ?? []) await before?.(watched)
  // The record that is being made has seen the time before; `take` leaves it out.
  meter.isCounting = true
  const beganMs = performance.now()
  while (coveredMs(meter) < run.seconds * 1000) {
    checkRuns(guest)
    if (load !== null && hasEnded(load)) throw loadEnded({ command: run.load ?? '', how: how(load) })
    await sleep(LOOK_MS)
    if (coveredMs(meter) > 0) run.onProgress?.(summarize(meter))
  }
  checkRuns(guest)
  // Before anything else is looked at: what is looked at takes time.
  const summary = summarize(meter)
  const threads = vcpuThreads(child.pid ?? 0, run.machine.measured)
  const vcpus = summary.vcpus.map((one) => ({ ...place(one.number, threads), ...one }))
  const worst = vcpus.reduce((a, b) => (b.worstMicroseconds > a.worstMicroseconds ? b : a)).number
  const result = {
    profile: run.profile,
    accelerator: run.accelerator,
    mode: run.mode,
    intervalMicroseconds: run.mode === 'timer' ? run.intervalMicroseconds : null,
    vcpu: place(worst, threads),
    warmUpSeconds: (beganMs - (firstMs() ?? beganMs)) / 1000,
    ...summary,
    vcpus,
    explanations: explainJitter({
      accelerator: run.accelerator,
      worstMicroseconds: summary.worstMicroseconds,
      vcpu: threads.get(worst) ?? null,
      ...readHost(),
    }),
  }
  return finish(run.observers, 'after', watched, result)
}

/** What a vCPU's thread has. */
function place(number: number, threads: ReadonlyMap<number, Thread>): PlacedVcpu {
  const thread = threads.get(number)
  return {
    number,
    cpus: thread === undefined ? null : formatCpuSet(thread.cpus),
    policy: thread?.policy ?? null,
    priority: thread?.priority ?? null,
  }
}

/** Whether the tuner has placed the vCPU; without a plan there is none to do. */
function isPlaced(pid: number): boolean {
  const threads = readPlan(pid)?.threads ?? null
  const different = threads === null ? [] : deviations(readQemuThreads(pid) ?? [], threads)
  return !different.some(({ role }) => role.kind === 'vcpu' || role.kind === 'all-vcpus')
}

/** The threads of vCPUs, by their numbers; `ALL CPUs` is TCG's when one thread has them all. */
function vcpuThreads(pid: number, vcpus: readonly number[]): Map<number, Thread> {
  const threads = readQemuThreads(pid, { kernels: 'none' }) ?? []
  const threadOf = (vcpu: number) =>
    threads.find(({ name }) => name.startsWith(`CPU ${vcpu}/`) || name.startsWith('ALL CPUs/'))
  return new Map(
    vcpus.flatMap((vcpu): [number, Thread][] => {
      const thread = threadOf(vcpu)
      return thread === undefined ? [] : [[vcpu, thread]]
    }),
  )
}

function readHost() {
  const cpus = readCpus(openSysroot('/'), true)
  return {
    isolated: cpus?.isolated ?? null,
    ...(cpus?.isolatedByGroups === undefined ? {} : { isolatedByGroups: cpus.isolatedByGroups }),
    realtimeRuntime: cpus?.realtimeRuntime ?? null,
    fullDynticks: parseCpuSet(
      readAttribute('/sys/devices/system/cpu/nohz_full')?.replace('(null)', '') ?? '',
    ),
    isFair: hasFairServer(readAttribute('/proc/sys/kernel/osrelease')),
    isRealtimeKernel: readNumber('/sys/kernel/realtime') === 1,
  }
}
