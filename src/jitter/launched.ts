import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { guestEnded, guestSilent, launchRefused } from '../errors/jitter.js'
import { EXIT, type UserError } from '../errors/user-error.js'
import { deviations } from '../tune/deviations.js'
import { readPlan, readQemuThreads } from '../tune/processes.js'
import type { Thread } from '../tune/threads.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { hasEnded, how, tied } from './children.js'
import type { PlacedVcpu } from './result.js'

/** How long the firmware may take until a guest runs; emulated on a busy machine it is slow. */
export const BOOT_MS = 60_000

/** How long until the threads must be as planned. */
export const PLACE_MS = 15_000

/** How often a guest is looked after. Seldom, since whoever looks may be what keeps it from running. */
export const LOOK_MS = 200

/** How long a guest that measures may report nothing; a vCPU that is kept for so long from running has no use. */
export const SILENCE_MS = 60_000

/** How a guest is started, whatever it does. */
export interface Launch {
  /** Path of the launcher. */
  readonly launcher: string
  readonly emulator: string
  /** null for best effort. */
  readonly profile: string | null
  /** Path of the configuration that has the profile; null for the default. */
  readonly config: string | null
  /** QEMU's. */
  readonly args: readonly string[]
}

/** A guest that was started. What it reports comes out of the child's stdout. */
export interface Launched {
  readonly child: ChildProcess
  /** The last line of a reason that QEMU, the launcher or the tuner wrote. */
  readonly said: () => string
  /**
   * @param hasReported whether the guest has said anything
   * @throws {UserError} when QEMU has ended, or was never started
   */
  readonly checkRuns: (hasReported: boolean) => void
}

/** What `run` would take from the environment, and what only the options are to say here. */
const OWN_VARIABLES = ['PROFILE', 'NIC', 'DRY_RUN', 'FORMAT', 'WAIT', 'SYSROOT'].map(
  (name) => `QEMU_RT_${name}`,
)

/**
 * Starts QEMU through the launcher.
 * @param directory for its log, and a configuration; a second guest has another
 */
export function launch(run: Launch, directory: string): Launched {
  // A file, since the tuner opens it by its name, which it cannot with the socket that Node makes.
  const log = join(directory, 'log')
  const stderr = openSync(log, 'a')
  const options = ['run', '--emulator', run.emulator, ...profileOptions(run, directory), '--', ...run.args]
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !OWN_VARIABLES.includes(name)),
  )
  const child = spawn(...tied([run.launcher, ...options]), { env, stdio: ['ignore', 'pipe', stderr] })
  // Without a listener it would end this program; `hasEnded` sees it.
  child.on('error', () => {})
  closeSync(stderr)
  // Who stopped QEMU has said why before QEMU says that it was stopped.
  const isReason = (line: string) => line !== '' && !line.includes(': terminating on signal ')
  const line = () => readFileSync(log, 'utf8').split('\n').findLast(isReason) ?? ''
  const checkRuns = (hasReported: boolean) => {
    if (hasEnded(child)) throw whyEnded(child, line(), hasReported)
  }
  return { child, said: () => ourWords(line()), checkRuns }
}

/** Best effort is without any configuration: a [[domain]] for every VM would make it something else. */
function profileOptions({ profile, config }: Launch, directory: string): string[] {
  if (profile !== null) return [...(config === null ? [] : ['--config', config]), '--profile', profile]
  const nothing = join(directory, 'nothing.toml')
  writeFileSync(nothing, '')
  return ['--config', nothing]
}

function whyEnded(child: ChildProcess, line: string, hasReported: boolean): Error {
  const exitCode = Object.values(EXIT).find((code) => code === child.exitCode)
  if (exitCode !== undefined && line !== '') return launchRefused({ exitCode, said: ourWords(line) })
  // The tuner stops a VM whose profile is strict; another accelerator would not help.
  if (hasReported || line.startsWith('qemu-rt: '))
    return guestEnded({ how: how(child), said: ourWords(line) })
  return guestSilent({ reason: `QEMU ended: ${how(child)}`, said: line })
}

/** The launcher and the tuner begin a line with their name; what `jitter` gives to `run` has its options' names here, too. */
function ourWords(line: string): string {
  return line
    .replace(/^qemu-rt: /, '')
    .replaceAll(' (--rt-emulator in a QEMU command line)', '')
    .replaceAll(/--rt-(config|emulator|profile)\b/g, '--$1')
    .replaceAll("'qemu-rt run --help'", "'qemu-rt jitter --help'")
}

/** Whether the tuner has placed the vCPUs; without a plan there is nothing to place. */
export function isPlaced({ child }: Launched): boolean {
  const pid = child.pid ?? 0
  const threads = readPlan(pid)?.threads ?? null
  const different = threads === null ? [] : deviations(readQemuThreads(pid) ?? [], threads)
  return !different.some(({ role }) => role.kind === 'vcpu' || role.kind === 'all-vcpus')
}

/** The threads of vCPUs, by their numbers; `ALL CPUs` is TCG's when one thread has them all. */
export function vcpuThreads({ child }: Launched, vcpus: readonly number[]): Map<number, Thread> {
  const threads = readQemuThreads(child.pid ?? 0, { kernels: 'none' }) ?? []
  const threadOf = (vcpu: number) =>
    threads.find(({ name }) => name.startsWith(`CPU ${vcpu}/`) || name.startsWith('ALL CPUs/'))
  return new Map(
    vcpus.flatMap((vcpu): [number, Thread][] => {
      const thread = threadOf(vcpu)
      return thread === undefined ? [] : [[vcpu, thread]]
    }),
  )
}

/** What a vCPU's thread has, for a result. */
export function placeOf(number: number, thread: Thread | null): PlacedVcpu {
  return {
    number,
    cpus: thread === null ? null : formatCpuSet(thread.cpus),
    policy: thread?.policy ?? null,
    priority: thread?.priority ?? null,
  }
}

/**
 * Waits until something is so.
 * @param look throws what has gone wrong meanwhile
 * @param otherwise makes the error when it has taken too long
 */
export async function until(
  look: () => void,
  patienceMs: number,
  isSo: () => boolean,
  otherwise: () => UserError,
): Promise<void> {
  for (const end = performance.now() + patienceMs; !isSo(); await sleep(50)) {
    look()
    if (performance.now() > end) throw otherwise()
  }
}

/**
 * Sees that a measurement goes on. It counts looks and not time, since Ctrl-Z stops the guest as well.
 * @returns is called at each look, every LOOK_MS, with how far the measurement is; throws when that has not changed for so long
 * @param otherwise makes the error
 */
export function standstill(mostMs: number, otherwise: (seconds: number) => UserError): (ms: number) => void {
  let [last, looks] = [-1, 0]
  return (ms) => {
    looks = ms === last ? looks + 1 : 0
    last = ms
    if (looks * LOOK_MS > mostMs) throw otherwise(mostMs / 1000)
  }
}
