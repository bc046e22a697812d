import { findConfig } from '../config/find.js'
import { loadPolicy } from '../config/load.js'
import { compareNeedsProfile } from '../errors/jitter.js'
import { badFrameSize, notInThisMode, switchNamedTwice, whichSwitch } from '../errors/jitter-network.js'
import { EXIT } from '../errors/user-error.js'
import { readCpus } from '../host/cpus.js'
import { readHugePages } from '../host/hugepages.js'
import { openSysroot } from '../host/sysroot.js'
import { type Accelerator, measureEach } from '../jitter/accelerator.js'
import { guestFor } from '../jitter/guest.js'
import { FRAME_BYTES, type Frames } from '../jitter/network/guest.js'
import { networkToJson } from '../jitter/network/json.js'
import { parseSocket } from '../jitter/network/port.js'
import { networkProfiles } from '../jitter/network/profiles.js'
import { runNetwork, type Wire } from '../jitter/network/run.js'
import { planSwitch } from '../jitter/network/switch-plan.js'
import { formatNetwork } from '../jitter/network/text.js'
import { socketsWire, testpmdWire } from '../jitter/network/wires.js'
import { report, writeAll } from '../report/output.js'
import { printableJson } from '../units/printable.js'
import { programsFor, readInterval, readLimit, readSeconds } from './jitter-options.js'

/** Options that only this mode has. */
export interface NetworkOptions {
  readonly switch?: 'testpmd'
  readonly socket: readonly string[]
  readonly frameSize?: string
  readonly echoProfile?: string
}

export interface JitterNetworkOptions extends NetworkOptions {
  readonly profile?: string
  readonly interval?: string
  readonly vcpus: string
  readonly failOver?: string
  readonly report?: string
  readonly osnoise?: boolean
  /** Absent unless it was given. */
  readonly floor?: string
  readonly seconds: string
  readonly load?: string
  readonly compare?: boolean
  readonly accel?: Accelerator
  readonly format: 'text' | 'json'
  readonly config?: string
  readonly emulator?: string
}

const DEFAULT_FRAME_BYTES = '64'

/**
 * Refuses options of the network mode for another one.
 * @throws {UserError} exit 64 when there is one
 */
export function refuseNetworkOptions(mode: string, options: NetworkOptions): void {
  const given: readonly (readonly [string, boolean])[] = [
    ['--switch', options.switch !== undefined],
    ['--socket', options.socket.length > 0],
    ['--frame-size', options.frameSize !== undefined],
    ['--echo-profile', options.echoProfile !== undefined],
  ]
  for (const [option, isGiven] of given) if (isGiven) throw notInThisMode({ option, mode })
}

/**
 * Measures how long frames take from one guest through a switch to another and back, and prints it. The exit code is 79 when the
 * longest is above `--fail-over`.
 * @throws {UserError} exit 64 for wrong usage, 69 when a guest or the switch does not run, no frame comes back, or a guest
 *   is not placed as planned, and what reading the configuration and the launcher do
 */
export async function jitterNetworkCommand(options: JitterNetworkOptions): Promise<void> {
  const { profile = null, compare = false } = options
  if (compare && profile === null) throw compareNeedsProfile()
  const mode = 'network'
  if (options.vcpus !== '1') throw notInThisMode({ option: '--vcpus', mode })
  if (options.report !== undefined) throw notInThisMode({ option: '--report', mode })
  if (options.osnoise === true) throw notInThisMode({ option: '--osnoise', mode })
  if (options.floor !== undefined) throw notInThisMode({ option: '--floor', mode })
  const limit = readLimit(options.failOver)
  const frames = readFrames(options)
  const seconds = readSeconds(options.seconds)
  const sockets = readSockets(options)
  const policy = await loadPolicy({ ...findConfig(options.config, process.env), emulatorMode: false })
  const named = profile === null ? null : networkProfiles(policy, profile, options.echoProfile ?? null)
  // The same machines for both runs: only the profile is to make a difference.
  const machines = {
    sender: guestFor(named?.sender.settings ?? null),
    echo: guestFor(named?.echo.settings ?? null),
  }
  const root = openSysroot('/')
  const cpus = readCpus(root, true)
  const online = cpus?.cpuset ?? cpus?.online ?? [0]
  const size = named?.sender.settings.hugepages ?? named?.echo.settings.hugepages ?? null
  const memory = machines.sender.memory + machines.echo.memory
  const plan = planSwitch(online, policy.host, readHugePages(root), size === null ? null : { size, memory })
  if (sockets === null && plan.memory === '4 KiB pages')
    report('too few huge pages are free for testpmd: it runs with --no-huge')
  const wire: Wire = sockets === null ? testpmdWire(plan) : socketsWire(...sockets)
  const run = {
    ...programsFor(options.emulator, policy),
    machines,
    config: options.config ?? null,
    frames,
    seconds,
    load: options.load ?? null,
    online,
    wire,
  }
  const results = await measureEach(
    compare ? [null, profile] : [profile],
    options.accel,
    (one, accelerator) => {
      const profiles =
        one === null ? { sender: null, echo: null } : { sender: one, echo: options.echoProfile ?? one }
      return runNetwork({ ...run, accelerator, profiles })
    },
  )
  writeAll(
    1,
    options.format === 'json' ? `${printableJson(networkToJson(results), 2)}\n` : formatNetwork(results),
  )
  // Best effort is what the profile is compared with: nobody wants it to be good.
  if (limit !== null && (results.at(-1)?.worstMicroseconds ?? 0) > limit) process.exitCode = EXIT.exceeded
}

function readFrames({ interval, frameSize = DEFAULT_FRAME_BYTES }: JitterNetworkOptions): Frames {
  const intervalMicroseconds = readInterval(interval)
  const bytes = /^\d{1,4}$/.test(frameSize) ? Number(frameSize) : 0
  if (bytes < FRAME_BYTES.least || bytes > FRAME_BYTES.most)
    throw badFrameSize({ size: frameSize, ...FRAME_BYTES })
  return { bytes, intervalMicroseconds: Math.round(intervalMicroseconds) }
}

/** @returns null for testpmd */
function readSockets({ switch: name, socket }: JitterNetworkOptions) {
  if (name !== undefined) {
    if (socket.length > 0) throw switchNamedTwice()
    return null
  }
  const [sender, echo, ...more] = socket.map(parseSocket)
  if (sender === undefined || echo === undefined || more.length > 0 || sender.path === echo.path)
    throw whichSwitch({ sockets: socket.length })
  return [sender, echo] as const
}
