import { findConfig } from '../config/find.js'
import { loadPolicy } from '../config/load.js'
import { tuneRefused } from '../errors/tune.js'
import { UserError } from '../errors/user-error.js'
import { readAttribute } from '../host/sysfs.js'
import { writeAll } from '../report/output.js'
import { explainAll, readCircumstances } from '../tune/explain.js'
import { parseSelector } from '../tune/selectors.js'
import { describeTarget, findTargets, type RunningQemu, type TargetOptions } from '../tune/targets.js'
import { commandsText, tunedText } from '../tune/text.js'
import { lookAndCheck, type Settings, type Source, settingsFor, tune } from '../tune/tune.js'
import { parseCpuSet } from '../units/cpu-set.js'

export interface TuneOptions extends TargetOptions {
  readonly profile?: string
  readonly set: readonly string[]
  readonly config?: string
  readonly dryRun?: boolean
}

/**
 * Sets the CPUs and policies of QEMUs that run, and prints what was done.
 * @throws {UserError} exit 64 for wrong usage, 69 when there is no such QEMU or no plan for it, 77 when the kernel refuses
 */
export async function tuneCommand(options: TuneOptions): Promise<void> {
  const source = await sourceOf(options)
  const targets = findTargets(options)
  if (targets.length === 0) return writeAll(1, 'no VM with a record is running that this user may tune\n')
  const failures: string[] = []
  for (const target of targets) {
    // One VM without a plan for its threads is no reason to leave the others as they are.
    if (options.all && source.kind === 'plan' && target.record?.threads === null) continue
    try {
      const settings = await settingsFor(target, source, options.dryRun === true)
      if (options.dryRun) printCommands(target, settings)
      else failures.push(...(await tuneOne(target, settings)))
    } catch (error) {
      // What one VM's QEMU does to itself keeps none of the others from being set.
      if (!options.all || !(error instanceof UserError)) throw error
      failures.push(`${describeTarget(target)}: ${error.message}`)
    }
  }
  if (failures.length > 0) throw tuneRefused({ causes: failures })
}

async function sourceOf({ profile, set, config }: TuneOptions): Promise<Source> {
  if (set.length > 0) return { kind: 'selectors', selectors: set.map(parseSelector) }
  const policy = () => loadPolicy({ ...findConfig(config, process.env), emulatorMode: false })
  if (profile === undefined) return { kind: 'plan', policy }
  return { kind: 'profile', name: profile, policy: await policy() }
}

function printCommands(target: RunningQemu, settings: Settings): void {
  writeAll(1, commandsText(target, lookAndCheck(target.pid, settings)))
}

async function tuneOne(target: RunningQemu, settings: Settings): Promise<string[]> {
  const tuned = await tune(target.pid, settings)
  writeAll(1, tunedText(target, tuned))
  const online = parseCpuSet(readAttribute('/sys/devices/system/cpu/online') ?? '') ?? []
  const causes = explainAll(tuned.refusals, ({ deviation }) =>
    readCircumstances(target.pid, deviation.thread.tid, online),
  )
  return causes.map((cause) => `${describeTarget(target)}: ${cause}`)
}
