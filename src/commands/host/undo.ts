import { accessTo } from '../../change/host/access.js'
import { withHostLock } from '../../change/host/lock.js'
import { UNIT, UNIT_FILE } from '../../change/host/plan.js'
import { type Change, discardUnwrittenRecord, isRuntime, readApplyRecord } from '../../change/host/record.js'
import { linesOfOurs } from '../../change/host/steps.js'
import { forgetUnit } from '../../change/host/surroundings.js'
import { lookAtUndo, type Undone, undoHost } from '../../change/host/undo.js'
import { EXIT } from '../../errors/user-error.js'
import { openSysroot, type Root } from '../../host/sysroot.js'
import { report, writeAll } from '../../report/output.js'
import { printableLines } from '../../units/printable.js'
import { checkRoot } from './apply.js'

export interface HostUndoOptions {
  readonly sysroot: string
  readonly dryRun: boolean
}

/**
 * Puts back all that `host apply` has changed, and says what was left.
 * @throws {UserError} exit 77 without root's rights or when the record cannot be read
 */
export async function hostUndo({ sysroot, dryRun }: HostUndoOptions): Promise<void> {
  const root = openSysroot(sysroot)
  checkRoot(root, 'host undo', dryRun)
  if (dryRun) {
    const record = readApplyRecord(root)
    if (record === null) return writeAll(1, NOTHING)
    return tell(root, await lookAtUndo({ root, access: accessTo(root) }, record), true)
  }
  const done = await withHostLock(root, async () => {
    const record = readApplyRecord(root)
    if (record !== null) return undoHost({ root, access: accessTo(root) }, record)
    discardUnwrittenRecord(root)
    return null
  })
  if (done === null) return writeAll(1, NOTHING)
  const failure = done.some(({ change }) => 'path' in change && change.path === UNIT_FILE)
    ? await forgetUnit(root, UNIT)
    : null
  if (failure !== null) report(`run: systemctl daemon-reload (${failure})`)
  tell(root, done, false)
}

const NOTHING = 'Nothing to put back: host apply has changed nothing here.\n'

/** Says what became of each change, of which command's. */
export function tell(root: Root, done: readonly Undone[], isDry: boolean, command = 'host apply'): void {
  const of = (outcome: Undone['outcome']) => done.filter((one) => one.outcome === outcome)
  for (const { error } of of('failed')) if (error !== null) report(error.message)
  for (const { change } of of('changed since'))
    report(
      `somebody else has changed ${placeOf(root, change)} after ${command}, so it ${isDry ? 'would be' : 'is'} left as it is${advice(root, change, command)}`,
    )
  const undone = of('undone')
  const lines = isDry
    ? undone.map(({ change }) => `would put back ${nameOf(change)}`)
    : [
        `${undone.length} ${undone.length === 1 ? 'change' : 'changes'} put back.`,
        ...(of('another boot').length === 0
          ? []
          : ['This host has been booted since: what was set in that boot alone ended with it.']),
        ...(command === 'host apply'
          ? ["What you added to the kernel's command line is yours to take out."]
          : []),
      ]
  writeAll(1, printableLines(lines.map((line) => `${line}\n`).join('')))
  if (of('failed').length + of('changed since').length > 0) process.exitCode = EXIT.unavailable
}

/** Names the lines of ours alone: the file may have others above them and below. */
function advice(root: Root, change: Change, command: string): string {
  if (change.kind !== 'written') return ''
  const lines = linesOfOurs(root, change).map((line) => `"${line}"`)
  const undo = command === 'host apply' ? 'host undo' : `${command} --undo`
  return `; take out the lines of qemu-rt in it (${lines.join(', ')}), then run qemu-rt ${undo} again`
}

/** As `nameOf`, with where the copy of a host is. */
function placeOf(root: Root, change: Change): string {
  return isRuntime(change) && change.kind !== 'file' ? nameOf(change) : root + nameOf(change)
}

function nameOf(change: Change): string {
  if (!isRuntime(change)) return change.path
  return { file: change.name, cpus: `CPUs of ${change.name}`, policy: `policy of ${change.name}` }[
    change.kind
  ]
}
