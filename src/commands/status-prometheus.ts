import { runChecks } from '../checks/run.js'
import { notWithPrometheus } from '../errors/status.js'
import { UserError } from '../errors/user-error.js'
import { offersOf } from '../export/offers.js'
import { readDeviceInterrupts } from '../host/interrupts-by-cpu.js'
import { exposition } from '../metrics/exposition.js'
import type { Sample } from '../metrics/families.js'
import { readRunDelays, readSavedJitter } from '../metrics/read.js'
import { samplesOf, samplesOfFailure } from '../metrics/samples.js'
import { NOTHING_KNOWN } from '../plan/nics/uses.js'
import { report, writeAll } from '../report/output.js'
import { readSnapshot } from '../status/read.js'
import { statusOf } from '../status/status.js'
import { VERSION } from '../version.js'
import { readSubjectWhole } from './host/subject.js'
import { writeOutput } from './write-output.js'

interface Options {
  readonly config?: string
  /** A file; true for where node_exporter's textfile collector looks on Debian; absent for stdout. */
  readonly output?: string | true
  readonly watch?: boolean
  readonly drifted?: boolean
  readonly domain?: string
  readonly interval?: number
  readonly sysroot?: string
}

/** Options that choose what `status` shows. */
const CHOOSING = ['watch', 'drifted', 'domain', 'interval'] as const

/** Debian's package of node_exporter (prometheus-node-exporter(1), --collector.textfile.directory). */
const USUAL_PLACE = '/var/lib/prometheus/node-exporter/qemu-rt.prom'

/**
 * Prints or writes the metrics of this host. When configuration or host cannot be read it says so by `qemu_rt_up 0`, so that a
 * file of yesterday does not look like one of today.
 * @throws {UserError} exit 64 for an option that chooses a part; what reading them does, when that is written
 */
export async function statusPrometheus(options: Options): Promise<void> {
  const { config, output, sysroot = '/' } = options
  const chosen = CHOOSING.find((option) => options[option] !== undefined && options[option] !== false)
  const option = chosen ?? (sysroot === '/' ? undefined : 'sysroot')
  if (option !== undefined) throw notWithPrometheus({ option: `--${option}` })
  const write = async (samples: readonly Sample[]) => {
    const text = await exposition(samples)
    if (output === undefined) writeAll(1, text)
    else writeOutput(output === true ? USUAL_PLACE : output, text, { makesDirectory: false })
  }
  try {
    await write(await readSamples(config))
  } catch (error) {
    if (error instanceof UserError) await write(samplesOfFailure(VERSION))
    throw error
  }
}

async function readSamples(config: string | undefined): Promise<Sample[]> {
  const given = config === undefined ? {} : { config }
  const { subject, policy, host } = await readSubjectWhole({ ...given, sysroot: '/' })
  const status = statusOf(await readSnapshot({ sysroot: '/', sets: policy.host, intervalMs: 0 }), null)
  return samplesOf({
    version: VERSION,
    status,
    realtimeCpus: subject.sets.realtime,
    runDelays: readRunDelays(status.vms),
    threads: subject.facts.threads,
    interrupts: readDeviceInterrupts(''),
    checks: runChecks(subject),
    offers: offersOf(policy, host, host.useOf ?? NOTHING_KNOWN).offers,
    jitter: readSavedJitter(report),
  })
}
