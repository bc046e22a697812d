import { findConfig } from '../config/find.js'
import { loadPolicy } from '../config/load.js'
import type { Policy, Profile } from '../config/policy.js'
import {
  badFloor,
  badVcpus,
  compareNeedsProfile,
  intervalNeedsTimer,
  tooManyVcpus,
} from '../errors/jitter.js'
import { EXIT } from '../errors/user-error.js'
import { readCpus } from '../host/cpus.js'
import { openSysroot } from '../host/sysroot.js'
import { measureEach } from '../jitter/accelerator.js'
import { countAll } from '../jitter/all-vcpus.js'
import { causeObserver } from '../jitter/cause/observer.js'
import { floorSeconds, parseFloorOption } from '../jitter/floor/floor.js'
import { floorObserver } from '../jitter/floor/observer.js'
import { type GuestMachine, guestFor, MOST_VCPUS } from '../jitter/guest.js'
import { configurationHash, readJitterHost } from '../jitter/host.js'
import { isOver, jitterToJson } from '../jitter/json.js'
import type { Mode } from '../jitter/mode.js'
import { osnoiseObserver } from '../jitter/osnoise/observer.js'
import { showProgress } from '../jitter/progress.js'
import { checkReport, writeReport } from '../jitter/report/write.js'
import { runJitter } from '../jitter/run.js'
import { formatJitter } from '../jitter/text.js'
import { profileNamed } from '../plan/ask.js'
import { writeAll } from '../report/output.js'
import { printableJson } from '../units/printable.js'
import { summarizeChecks } from './host/summary.js'
import { type NetworkOptions, refuseNetworkOptions } from './jitter-network.js'
import { programsFor, readInterval, readLimit, readSeconds } from './jitter-options.js'

export interface JitterOptions extends NetworkOptions {
  readonly profile?: string
  readonly mode: Mode
  readonly interval?: string
  readonly vcpus: string
  readonly seconds: string
  readonly failOver?: string
  readonly load?: string
  readonly compare?: boolean
  /** `auto` unless it was given. */
  readonly floor?: string
  readonly osnoise?: boolean
  readonly report?: string
  readonly accel?: 'kvm' | 'tcg'
  readonly format: 'text' | 'json'
  readonly config?: string
  readonly emulator?: string
}

/**
 * Measures how long a guest's vCPUs are kept from running, and prints it. The exit code is 79 when the worst is above
 * `--fail-over`.
 * @throws {UserError} exit 64 for wrong usage, 69 when the guest does not run or is not placed as planned, and what
 *   reading the configuration and the launcher do
 */
export async function jitterCommand(options: JitterOptions): Promise<void> {
  const { profile = null, compare = false, mode, accel } = options
  refuseNetworkOptions(mode, options)
  if (compare && profile === null) throw compareNeedsProfile()
  const limit = readLimit(options.failOver)
  if (options.interval !== undefined && mode !== 'timer') throw intervalNeedsTimer()
  const task = {
    mode,
    intervalMicroseconds: readInterval(options.interval),
    seconds: readSeconds(options.seconds),
  }
  const wanted = options.vcpus === 'all' ? 'all' : readCount(options.vcpus)
  const hostSeconds = readFloor(options.floor ?? 'auto', task.seconds)
  if (options.report !== undefined) checkReport(options.report)
  const policy = await readPolicy(options.config)
  const settings = profile === null ? null : profileNamed(policy, profile).settings
  const run = {
    ...task,
    ...programsFor(options.emulator, policy),
    // The same machine for both: only the profile is to make a difference.
    machine: machineFor(settings, wanted, policy),
    load: options.load ?? null,
    config: options.config ?? null,
  }
  const profiles = compare ? [null, profile] : [profile]
  const results = await measureEach(profiles, accel, (profileOfRun, accelerator) => {
    // What a profile is compared with is not what a host is to be as good as.
    const isFloored = hostSeconds !== null && profileOfRun === profile
    const observers = [
      causeObserver(mode === 'timer'),
      ...(options.osnoise === true ? [osnoiseObserver()] : []),
      ...(isFloored ? [floorObserver({ ...task, seconds: hostSeconds })] : []),
    ]
    return showProgress(task.seconds, (onProgress) =>
      runJitter({ ...run, profile: profileOfRun, accelerator, observers, onProgress }),
    )
  })
  const isHostAsked = options.format === 'json' || options.report !== undefined
  const host = readJitterHost(isHostAsked ? await summarizeChecks(options.config, profile) : null)
  if (options.format === 'json') {
    const { path } = findConfig(options.config, process.env)
    const configuration = profile === null ? null : configurationHash(path)
    const json = jitterToJson(results, { host, configuration, limit, time: new Date() })
    writeAll(1, `${printableJson(json, 2)}\n`)
  } else writeAll(1, formatJitter(results, limit))
  if (options.report !== undefined) await writeReport(options.report, results, host)
  if (limit !== null && isOver(results, limit)) process.exitCode = EXIT.exceeded
}

function machineFor(settings: Profile | null, wanted: number | 'all', policy: Policy): GuestMachine {
  const vcpus = settings?.vcpus ?? null
  const count = wanted === 'all' ? countAll(vcpus, policy.host, readCpus(openSysroot('/'), true)) : wanted
  const machine = guestFor(settings, count)
  const realtime = machine.measured.length
  if (realtime < count) throw tooManyVcpus({ vcpus: count, realtime, mask: vcpus?.realtimeMask ?? '' })
  return machine
}

/** @returns for how long the host is measured; null for not at all */
function readFloor(floor: string, seconds: number): number | null {
  const option = parseFloorOption(floor)
  if (option === null) throw badFloor({ floor })
  return floorSeconds(option, seconds)
}

function readCount(vcpus: string): number {
  const number = /^\d{1,3}$/.test(vcpus) ? Number(vcpus) : 0
  if (number < 1 || number > MOST_VCPUS) throw badVcpus({ vcpus, most: MOST_VCPUS })
  return number
}

function readPolicy(config: string | undefined): Promise<Policy> {
  return loadPolicy({ ...findConfig(config, process.env), emulatorMode: false })
}
