import { createInterface } from 'node:readline/promises'
import { isatty } from 'node:tty'
import { accessTo } from '../../change/host/access.js'
import { applyHost } from '../../change/host/apply.js'
import { withHostLock } from '../../change/host/lock.js'
import { type HostPlan, planHost } from '../../change/host/plan.js'
import { readApplyRecord } from '../../change/host/record.js'
import { fileContent, type Host } from '../../change/host/steps.js'
import {
  bootloaderSigns,
  configForUnit,
  hasSystemd,
  launcherForUnit,
  reloadUnits,
} from '../../change/host/surroundings.js'
import { type FileOutlook, planText } from '../../change/host/text.js'
import { exampleOfHost } from '../../checks/configuration.js'
import { runChecks } from '../../checks/run.js'
import { findConfig } from '../../config/find.js'
import { hostCpusNotConfigured, hostCpusNotThere, nobodyToAsk, notRoot } from '../../errors/host-apply.js'
import { EXIT } from '../../errors/user-error.js'
import { openSysroot, type Root } from '../../host/sysroot.js'
import { report, writeAll } from '../../report/output.js'
import { printableLines } from '../../units/printable.js'
import { readSubject } from './subject.js'

export interface HostApplyOptions {
  readonly config?: string
  readonly sysroot: string
  readonly dryRun: boolean
  /** Not to ask. */
  readonly yes: boolean
  /** What the unit runs: values alone, no files. */
  readonly atBoot: boolean
}

/**
 * Sets what `host check` finds missing, and prints it first. On a terminal it asks.
 * @throws {UserError} exit 77 without root's rights, 64 when nobody can be asked, 78 without `[host] realtime` or with CPUs there that
 *   the host does not have; see `applyHost` and `readSubject`
 */
export async function hostApply(options: HostApplyOptions): Promise<void> {
  const { dryRun, yes, atBoot, sysroot } = options
  const root = openSysroot(sysroot)
  const isAsked = !dryRun && !yes && !atBoot
  checkRoot(root, 'host apply', dryRun)
  if (isAsked && !(isatty(0) && isatty(2))) throw nobodyToAsk()
  const plan = await readPlan(options, root)
  const known = readApplyRecord(root)?.changes ?? []
  const files = plan.files.map((file): FileOutlook => {
    const { now, wanted } = fileContent(root, file, known)
    const state = now === null ? 'new' : now.text === wanted ? 'as it is' : 'changed'
    return { path: file.path, state, text: file.text }
  })
  writeAll(1, printableLines(planText(plan, files)))
  if (dryRun) return
  if (isAsked && !(await saysYes())) return report('nothing was changed')
  const host: Host = { root, access: accessTo(root) }
  const { changed, hasNewUnit, refused } = await withHostLock(root, () => applyHost(host, plan))
  for (const line of refused) report(`the kernel refused ${line}`)
  const failure = hasNewUnit ? await reloadUnits(root) : null
  if (failure !== null)
    report(`systemd does not know the unit yet, run: systemctl daemon-reload (${failure})`)
  writeAll(1, `\n${summary(changed)}\n`)
  // A unit that fails at each boot because of an interrupt that cannot be moved would hide what matters.
  if (refused.length > 0 && !atBoot) process.exitCode = EXIT.unavailable
}

function summary(changed: number): string {
  if (changed === 0) return 'Nothing was changed: all is as it is to be.'
  return `${changed} ${changed === 1 ? 'change' : 'changes'} made; qemu-rt host undo puts them back.`
}

/** @throws {UserError} exit 77 for another user who would change this host */
export function checkRoot(root: Root, command: string, dryRun: boolean): void {
  if (root === '' && !dryRun && process.geteuid?.() !== 0) throw notRoot({ command })
}

async function readPlan(
  { config, sysroot, dryRun, atBoot }: HostApplyOptions,
  root: Root,
): Promise<HostPlan> {
  const found = findConfig(config, process.env)
  const subject = await readSubject({
    sysroot,
    isRoots: root === '' && !dryRun,
    ...(config === undefined ? {} : { config }),
  })
  if (subject.configured.realtime === null)
    throw hostCpusNotConfigured({ place: found.path, example: exampleOfHost(subject.sets) })
  const cpus = runChecks(subject).find(({ id, level }) => id === 'config.cpus' && level === 'fail')
  if (cpus !== undefined)
    throw hostCpusNotThere({ place: found.path, found: cpus.what, todo: cpus.todo ?? 'correct [host]' })
  const named = found.explicit ? configForUnit(found.path) : null
  const launcher = launcherForUnit(root, process.env.QEMU_RT_LAUNCHER)
  const plan = planHost({
    subject,
    launcher: found.explicit && named === null ? null : launcher,
    config: named,
    signs: bootloaderSigns(root),
    hasSystemd: hasSystemd(root),
  })
  const planned = root === '' ? plan : withoutThreads(plan)
  return atBoot ? withoutWords(planned) : planned
}

/** A copy of a host has no threads that could be set. */
function withoutThreads(plan: HostPlan): HostPlan {
  const threads = plan.runtime.filter(({ kind }) => kind !== 'file')
  if (threads.length === 0) return plan
  const why = `a copy of a host has no threads: those of ${threads.length} settings are set when the host itself runs host apply`
  return {
    ...plan,
    runtime: plan.runtime.filter(({ kind }) => kind === 'file'),
    left: [...plan.left, { check: 'threads', why }],
  }
}

/** Values alone: the rest has been said to the person who ran `host apply`, and need not be in the log of each boot. */
function withoutWords(plan: HostPlan): HostPlan {
  return {
    ...plan,
    files: [],
    overridden: [],
    left: [],
    unmended: [],
    commandLine: { ...plan.commandLine, add: [] },
  }
}

async function saysYes(): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question('Do this? [y/N] ')).trim())
  } finally {
    terminal.close()
  }
}
