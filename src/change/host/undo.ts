import { UserError } from '../../errors/user-error.js'
import { writeSysfs } from '../driver.js'
import { undoController } from '../isolate/controller.js'
import { undoGroup } from '../isolate/group-steps.js'
import {
  type ApplyRecord,
  bootOf,
  type Change,
  endsWithBoot,
  RECORD_DIRECTORY,
  RECORD_FILE,
  removeApplyRecord,
  writeApplyRecord,
} from './record.js'
import {
  type Host,
  type Outcome,
  type Undoing,
  undoDirectory,
  undoFile,
  undoLink,
  undoRuntime,
} from './steps.js'

/** What became of one change. */
export interface Undone {
  readonly change: Change
  readonly outcome: Outcome | 'another boot' | 'failed'
  /** What went wrong, for `failed`. */
  readonly error: UserError | null
}

/** In the order in which they are undone. Those of the record's own directory end with the record. */
function changesToUndo({ changes }: ApplyRecord): Change[] {
  return changes.filter((change) => change.kind !== 'directory' || !isOfRecord(change.path)).reverse()
}

function isOfRecord(path: string): boolean {
  return `${RECORD_DIRECTORY}/`.startsWith(`${path}/`)
}

/**
 * Puts all back that apply has changed, the last first. What somebody else has changed since is left. What cannot be put
 * back keeps nothing else from it and stays in the record, and so does a file that was changed, since its old text is
 * nowhere else.
 */
export async function undoHost(host: Host, record: ApplyRecord, recordFile = RECORD_FILE): Promise<Undone[]> {
  const done = await undoEach(host, record, async ({ make }) => make?.())
  const kept = done.filter(isKept).map(({ change }) => change)
  if (kept.length === 0) removeApplyRecord(host.root, record, recordFile)
  else
    writeApplyRecord(
      host.root,
      { ...record, changes: record.changes.filter((one) => isLeft(one, kept)) },
      recordFile,
    )
  return done
}

/** Looks what `undoHost` would do, and changes nothing. */
export function lookAtUndo(host: Host, record: ApplyRecord): Promise<Undone[]> {
  return undoEach(host, record, async () => undefined)
}

async function undoEach(
  host: Host,
  record: ApplyRecord,
  act: (undoing: Undoing) => Promise<void>,
): Promise<Undone[]> {
  const isThisBoot = record.boot === bootOf(host.root)
  const removed = new Set<string>()
  const done: Undone[] = []
  for (const change of changesToUndo(record)) {
    if (endsWithBoot(change) && !isThisBoot) {
      done.push({ change, outcome: 'another boot', error: null })
      continue
    }
    try {
      const undoing = undoingOf(host, change, removed)
      await act(undoing)
      if (undoing.removes !== undefined) removed.add(undoing.removes)
      done.push({ change, outcome: undoing.outcome, error: null })
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      done.push({ change, outcome: 'failed', error })
    }
  }
  return done
}

function isKept({ change, outcome }: Undone): boolean {
  return outcome === 'failed' || (outcome === 'changed since' && change.kind === 'written')
}

function isLeft(change: Change, kept: readonly Change[]): boolean {
  return kept.includes(change) || change.kind === 'directory'
}

function undoingOf(host: Host, change: Change, removed: ReadonlySet<string>): Undoing {
  switch (change.kind) {
    case 'written':
      return undoFile(host.root, change)
    case 'link':
      return undoLink(host.root, change)
    case 'group':
      return undoGroup(host.root, change, writeSysfs)
    case 'controller':
      return undoController(host.root, change)
    case 'directory':
      return undoDirectory(host.root, change, removed)
    default:
      return undoRuntime(host, change)
  }
}
