import type { Refusal } from '../change/threads.js'
import { findConfig } from '../config/find.js'
import { loadPolicy } from '../config/load.js'
import { noPlan, tuneIncomplete, tuneRefused } from '../errors/tune.js'
import { UserError } from '../errors/user-error.js'
import { giveCpus } from '../libvirt/give-cpus.js'
import { writeAll } from '../report/output.js'
import { explainAll, readCircumstances } from '../tune/explain.js'
import { interruptsFor, setInterruptsOf, showInterrupts } from '../tune/interrupts-of-target.js'
import { describeMissing } from '../tune/missing.js'
import { isAskedFor, type Role } from '../tune/roles.js'
import { parseSelector } from '../tune/selectors.js'
import {
  checkSame,
  describeTarget,
  findTargets,
  type RunningQemu,
  type TargetOptions,
} from '../tune/targets.js'
import { commandsText, tunedText } from '../tune/text.js'
import { lookAndCheck, missingAmong, type Settings, type Source, settingsFor, tune } from '../tune/tune.js'
import { ownLine } from '../units/printable.js'

export interface TuneOptions extends TargetOptions {
  readonly profile?: string
  readonly set: readonly string[]
  readonly config?: string
  readonly dryRun?: boolean
}

/**
 * Sets the CPUs and policies of QEMUs that run, and prints what was done.
 * @throws {UserError} exit 64 for wrong usage, 69 when there is no such QEMU, no plan for it, or a thread of the plan is
 *   not there, 77 when the kernel refuses
 */
export async function tuneCommand(options: TuneOptions): Promise<void> {
  const source = await sourceOf(options)
  const targets = findTargets(options)
  if (targets.length === 0) return writeAll(1, 'no VM with a record is running that this user may tune\n')
  const problems: Problem[] = []
  let isIdle = true
  for (const target of targets) {
    // One VM without a plan for its threads is no reason to leave the others as they are.
    const { threads = null, interrupts = [] } = target.record ?? {}
    if (options.all && source.kind === 'plan' && threads === null && interrupts.length === 0) continue
    isIdle = false
    try {
      checkSame(target)
      problems.push(...(await tuneTarget(target, source, options.dryRun === true)))
    } catch (error) {
      // What one VM's QEMU does to itself keeps none of the others from being set.
      if (!options.all || !(error instanceof UserError)) throw error
      problems.push({ kind: 'refused', text: `${describeTarget(target)}: ${error.message}` })
    }
  }
  if (isIdle) writeAll(1, 'no running VM has a plan for its threads\n')
  const texts = (...kinds: Problem['kind'][]) =>
    problems.flatMap(({ kind, text }) => (kinds.includes(kind) ? [text] : []))
  for (const text of texts('left')) writeAll(2, ownLine(`warning: ${text}`))
  if (texts('refused').length > 0) throw tuneRefused({ causes: texts('refused', 'missing') })
  if (texts('missing').length > 0) throw tuneIncomplete({ causes: texts('missing') })
}

/** Its threads first, then the interrupts of its devices, which may go where vCPUs are. */
async function tuneTarget(target: RunningQemu, source: Source, isDryRun: boolean): Promise<Problem[]> {
  const settings = await settingsFor(target, source, isDryRun)
  const wanted = interruptsFor(target, source, settings?.expected?.plan ?? null)
  const isNothing = wanted.interrupts.length === 0 && wanted.doubtful.length === 0
  if (settings === null && isNothing) throw noPlan({ pid: target.pid })
  const problems = settings === null ? [] : await (isDryRun ? printCommands : tuneOne)(target, settings)
  if (isNothing) return problems
  const { text, problems: left } = isDryRun
    ? showInterrupts(target, wanted)
    : await setInterruptsOf(target, wanted)
  writeAll(1, text)
  return [
    ...problems,
    ...left.map((cause) => ({ kind: 'left' as const, text: `${describeTarget(target)}: ${cause}` })),
  ]
}

/** What is not as it is to be. `left`: what nobody has asked for and the kernel does not do. */
interface Problem {
  readonly kind: 'refused' | 'missing' | 'left'
  readonly text: string
}

async function sourceOf({ profile, set, config }: TuneOptions): Promise<Source> {
  if (set.length > 0) return { kind: 'selectors', selectors: set.map(parseSelector) }
  const policy = () => loadPolicy({ ...findConfig(config, process.env), emulatorMode: false })
  if (profile === undefined) return { kind: 'plan', policy }
  return { kind: 'profile', name: profile, policy: await policy() }
}

async function printCommands(target: RunningQemu, settings: Settings): Promise<Problem[]> {
  const wanted = lookAndCheck(target, settings)
  writeAll(1, commandsText(target, wanted))
  return missingOf(target, missingAmong(wanted, settings), settings)
}

async function tuneOne(target: RunningQemu, settings: Settings): Promise<Problem[]> {
  // vCPUs that were plugged since the start have groups that the hook has not seen.
  const isRoots = process.geteuid?.() === 0 && settings.expected !== null
  checkSame(target)
  const narrow = isRoots ? giveCpus(target.pid, settings.expected.plan) : []
  const { before, refusals, missing } = await tune(target, settings)
  writeAll(1, tunedText(target, { before, refusals, missing }))
  const isAsked = ({ deviation: { role } }: Refusal) => settings.expected === null || isAskedFor(role)
  const explain = (some: readonly Refusal[]) =>
    explainAll(some, ({ deviation }) =>
      readCircumstances(target.pid, deviation.thread.tid, target.record?.profile),
    )
  const say = (kind: Problem['kind'], causes: readonly string[]) =>
    causes.map((cause) => ({ kind, text: `${describeTarget(target)}: ${cause}` }))
  return [
    ...say('left', narrow),
    ...say('refused', explain(refusals.filter(isAsked))),
    ...say('left', explain(refusals.filter((one) => !isAsked(one)))),
    ...missingOf(target, missing, settings),
  ]
}

function missingOf(target: RunningQemu, roles: readonly Role[], { expected }: Settings): Problem[] {
  const causes = expected === null ? [] : describeMissing(roles, expected)
  return causes.map((cause) => ({ kind: 'missing', text: `${describeTarget(target)}: ${cause}` }))
}
