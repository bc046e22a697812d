import { quoteIfNeeded } from '../argv/shell.js'
import { COMMANDS } from '../change/threads.js'
import { findConfig } from '../config/find.js'
import { loadPolicy } from '../config/load.js'
import { tuneRefused } from '../errors/tune.js'
import { UserError } from '../errors/user-error.js'
import { readAttribute } from '../host/sysfs.js'
import { isRealtime, type ThreadSetting } from '../plan/threads/thread-plan.js'
import { writeAll } from '../report/output.js'
import { formatTable } from '../report/table.js'
import { deviationsFrom } from '../tune/deviations.js'
import { explainAll, readCircumstances } from '../tune/explain.js'
import { describeRole } from '../tune/roles.js'
import { parseSelector } from '../tune/selectors.js'
import { describeTarget, findTargets, type RunningQemu, type TargetOptions } from '../tune/targets.js'
import { lookAndCheck, type Settings, type Source, settingsFor, tune } from '../tune/tune.js'
import { formatCpuSet, parseCpuSet } from '../units/cpu-set.js'
import { printable } from '../units/printable.js'

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
  if (profile === undefined) return { kind: 'plan' }
  const policy = await loadPolicy({ ...findConfig(config, process.env), emulatorMode: false })
  return { kind: 'profile', name: profile, policy }
}

/** The commands that would set what differs, for a shell. */
function printCommands(target: RunningQemu, settings: Settings): void {
  const wanted = lookAndCheck(target.pid, settings)
  const lines = deviationsFrom(wanted).flatMap((deviation) =>
    deviation.differs.map((aspect) => {
      const command = COMMANDS[aspect](deviation).map(quoteIfNeeded).join(' ')
      return `${command}  # ${printable(describeRole(deviation.role))}`
    }),
  )
  const nothing = ['# every thread is as wanted']
  writeAll(
    1,
    `# ${printable(describeTarget(target))}\n${(lines.length === 0 ? nothing : lines).join('\n')}\n`,
  )
}

async function tuneOne(target: RunningQemu, settings: Settings): Promise<string[]> {
  const { before, refusals } = await tune(target.pid, settings)
  const changed = deviationsFrom(before)
  const rows = before.flatMap(({ thread, role, setting }) => {
    if (setting === null) return []
    const refused = refusals.some(({ deviation }) => deviation.thread.tid === thread.tid)
    const differed = changed.some((deviation) => deviation.thread.tid === thread.tid)
    return [
      [
        describeRole(role),
        String(thread.tid),
        ...describe(setting),
        refused ? 'refused' : differed ? 'set' : 'was so',
      ],
    ]
  })
  writeAll(
    1,
    `${printable(describeTarget(target))}\n${formatTable([['THREAD', 'TID', 'CPUS', 'POLICY', ''], ...rows])}`,
  )
  const online = parseCpuSet(readAttribute('/sys/devices/system/cpu/online') ?? '') ?? []
  const causes = explainAll(refusals, ({ deviation }) =>
    readCircumstances(target.pid, deviation.thread.tid, online),
  )
  return causes.map((cause) => `${describeTarget(target)}: ${cause}`)
}

function describe({ cpus, policy, priority }: ThreadSetting): [string, string] {
  const scheduling = policy === null ? '-' : `${policy}${isRealtime({ policy }) ? ` ${priority}` : ''}`
  return [cpus === null ? '-' : formatCpuSet(cpus), scheduling]
}
