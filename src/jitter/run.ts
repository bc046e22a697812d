import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { guestNotPlaced, guestSilent, guestStopped, loadEnded } from '../errors/jitter.js'
import { UserError } from '../errors/user-error.js'
import { hasEnded, how, startLoad, stop, withChildren } from './children.js'
import { explainJitter } from './explain.js'
import { readExplainedHost } from './explained-host.js'
import { type GuestMachine, type GuestTask, guestImage, machineArguments } from './guest.js'
import {
  BOOT_MS,
  isPlaced,
  type Launched,
  LOOK_MS,
  launch,
  PLACE_MS,
  placeOf,
  SILENCE_MS,
  standstill,
  until,
  vcpuThreads,
} from './launched.js'
import { coveredMs, haveReported, type Meter, newMeter, take } from './meter.js'
import { finish, type Observer, type Watched } from './observer.js'
import { makeRecordReader } from './record.js'
import { type JitterResult, summarize } from './result.js'

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
  /** How long the guest may report nothing while it measures, in milliseconds; by default a minute. */
  readonly silenceMs?: number
  /** Is told how far it is, while it measures. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** How far a measurement is. */
export interface Progress {
  readonly seconds: number
  readonly worstMicroseconds: number
}

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
      add(guest.launched.child)
      await placed(run, guest)
      // Only now: firmware that shares a CPU with a load takes minutes.
      const load = run.load === null ? null : add(startLoad(run.load))
      const watched = watch(run, guest)
      const result = await measure(run, guest, load, watched)
      stop(guest.launched.child)
      return await finish(run.observers, 'alone', watched, result)
    },
    () => {
      for (const { end } of run.observers ?? []) end?.()
      rmSync(directory, { recursive: true, force: true })
    },
  )
}

interface Guest {
  readonly launched: Launched
  readonly meter: Meter
  /** When the first record came; null before. */
  readonly firstMs: () => number | null
  /** What is wrong with what it reports; null for nothing. */
  readonly problem: () => UserError | null
}

function startGuest(run: JitterRun, directory: string): Guest {
  const { accelerator, machine } = run
  const image = join(directory, 'guest')
  writeFileSync(image, guestImage(machine, run))
  const args = [
    ...[...machineArguments(machine, accelerator, run.mode), '-accel', accelerator],
    ...['-kernel', image, '-debugcon', 'stdio'],
  ]
  const launched = launch({ ...run, args }, directory)
  const meter = newMeter(machine.measured)
  const read = makeRecordReader()
  let firstMs: number | null = null
  let problem: UserError | null = null
  launched.child.stdout?.on('data', (chunk: Buffer) => {
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
  return { launched, meter, firstMs: () => firstMs, problem: () => problem }
}

/** Waits until the guest runs and its vCPU is as planned. */
async function placed({ profile }: JitterRun, guest: Guest): Promise<void> {
  const { said } = guest.launched
  const look = () => checkRuns(guest)
  await until(
    look,
    BOOT_MS,
    () => haveReported(guest.meter, 2),
    () => guestSilent({ reason: `for ${BOOT_MS / 1000} s`, said: said() }),
  )
  await until(
    look,
    PLACE_MS,
    () => isPlaced(guest.launched),
    () => guestNotPlaced({ profile: profile ?? '', said: said() }),
  )
}

/** @throws {UserError} when QEMU has ended, was never started, or reports what cannot be */
function checkRuns({ launched, firstMs, problem }: Guest): void {
  const wrong = problem()
  if (wrong !== null) throw wrong
  launched.checkRuns(firstMs() !== null)
}

/** What the observers are told of the guest. */
function watch({ machine, load, seconds }: JitterRun, { launched }: Guest): Watched {
  const threads = vcpuThreads(launched, machine.measured)
  const vcpus = [...threads].map(([number, thread]) => ({ number, thread }))
  return { pid: launched.child.pid ?? 0, load, seconds, vcpus }
}

async function measure(
  run: JitterRun,
  guest: Guest,
  load: ChildProcess | null,
  watched: Watched,
): Promise<JitterResult> {
  const { launched, meter, firstMs } = guest
  for (const { before } of run.observers ?? []) await before?.(watched)
  // The record that is being made has seen the time before; `take` leaves it out.
  meter.isCounting = true
  const beganMs = performance.now()
  const goesOn = standstill(run.silenceMs ?? SILENCE_MS, (seconds) =>
    guestStopped({ seconds, said: launched.said() }),
  )
  while (coveredMs(meter) < run.seconds * 1000) {
    checkRuns(guest)
    if (load !== null && hasEnded(load)) throw loadEnded({ command: run.load ?? '', how: how(load) })
    goesOn(coveredMs(meter))
    await sleep(LOOK_MS)
    if (coveredMs(meter) > 0) run.onProgress?.(summarize(meter))
  }
  checkRuns(guest)
  // Before anything else is looked at: what is looked at takes time.
  const summary = summarize(meter)
  const threads = vcpuThreads(launched, run.machine.measured)
  const vcpus = summary.vcpus.map((one) => ({
    ...placeOf(one.number, threads.get(one.number) ?? null),
    ...one,
  }))
  const worst = vcpus.reduce((a, b) => (b.worstMicroseconds > a.worstMicroseconds ? b : a)).number
  const thread = threads.get(worst) ?? null
  const result = {
    profile: run.profile,
    accelerator: run.accelerator,
    mode: run.mode,
    intervalMicroseconds: run.mode === 'timer' ? run.intervalMicroseconds : null,
    vcpu: placeOf(worst, thread),
    warmUpSeconds: (beganMs - (firstMs() ?? beganMs)) / 1000,
    ...summary,
    vcpus,
    explanations: explainJitter({
      accelerator: run.accelerator,
      worstMicroseconds: summary.worstMicroseconds,
      vcpu: thread,
      ...readExplainedHost('/', thread),
    }),
  }
  return finish(run.observers, 'after', watched, result)
}
