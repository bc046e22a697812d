import { findConfig } from '../config/find.js'
import { loadPolicy } from '../config/load.js'
import { badInterval, noSuchVm, outputNeedsPrometheus } from '../errors/status.js'
import { writeAll } from '../report/output.js'
import { statusJson } from '../status/json.js'
import { paint } from '../status/line.js'
import { readSnapshot } from '../status/read.js'
import { only, type Status } from '../status/status.js'
import { openTerminal, type Terminal } from '../status/terminal.js'
import { statusText, watchHeading } from '../status/text.js'
import { forgetUsage } from '../status/usage.js'
import { follow, lookOnce, watchOnScreen } from '../status/watch.js'

export interface StatusOptions {
  readonly watch: boolean
  readonly format: 'text' | 'json'
  /** Seconds between two drawings; without `watch`, what rates are counted over. */
  readonly interval?: number
  /** Of this guest alone. */
  readonly domain?: string
  /** VMs that are not as planned alone. */
  readonly drifted?: boolean
  readonly config?: string
  readonly sysroot?: string
  /** Of metrics alone. */
  readonly output?: string | true
}

const INTERVAL = { least: 0.1, most: 3600 }
const DEFAULT_SECONDS = { watch: 1, once: 0.5 }

/**
 * Shows every QEMU, its threads against the plan of the wrapper's, and what the host's CPUs are for.
 * @throws {UserError} exit 64 for an interval that cannot be waited, 69 when `domain` names no running VM (with `watch` it may
 *   come later), and what reading the configuration and the host does
 */
export async function status(options: StatusOptions): Promise<void> {
  const { watch, format, config, interval = DEFAULT_SECONDS[watch ? 'watch' : 'once'] } = options
  if (options.output !== undefined) throw outputNeedsPrometheus()
  if (!(interval >= INTERVAL.least && interval <= INTERVAL.most)) throw badInterval(INTERVAL)
  const intervalMs = interval * 1000
  const { host } = await loadPolicy({
    ...findConfig(config, process.env),
    emulatorMode: false,
  })
  const read = () => readSnapshot({ sysroot: options.sysroot ?? '/', sets: host, intervalMs })
  const terminal = openTerminal(process.env)
  const asked = { domain: options.domain, drifted: options.drifted === true }
  const textOf = (all: Status, hint: string) => {
    const now = only(all, asked)
    const heading = watch ? watchHeading(now.time, interval) + hint : null
    return statusText(now, { width: terminal.size().columns, heading })
  }
  const print = (now: Status) =>
    writeAll(
      1,
      format === 'json'
        ? statusJson(only(now, asked), watch ? 0 : 2)
        : printed(textOf(now, ''), watch, terminal),
    )
  try {
    if (!watch) print(withDomain(await lookOnce(read, intervalMs), options.domain))
    else if (format === 'json' || !terminal.isAddressable) await follow(read, print, intervalMs)
    else await watchOnScreen(read, (now) => textOf(now, '  (q quits)'), terminal, intervalMs)
  } finally {
    forgetUsage()
  }
}

/** @throws {UserError} exit 69 when no VM has this name */
function withDomain(status: Status, name: string | undefined): Status {
  const names = status.vms.map(({ guest }) => guest.name)
  if (name === undefined || names.includes(name)) return status
  throw noSuchVm({ name, known: names.filter((one) => one !== null), seesAll: status.seesAll })
}

/** One snapshot after another has a blank line between. */
function printed(lines: ReturnType<typeof statusText>, isRepeated: boolean, { hasColour }: Terminal): string {
  const text = lines.map((line) => `${paint(line, hasColour)}\n`).join('')
  return isRepeated ? `${text}\n` : text
}
