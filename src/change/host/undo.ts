import { UserError } from '../../errors/user-error.js'
import {
  type ApplyRecord,
  bootOf,
  type Change,
  endsWithBoot,
  RECORD_DIRECTORY,
  removeApplyRecord,
  removeEmpty,
  writeApplyRecord,
} from './record.js'
import { type Host, type Outcome, undoFile, undoLink, undoRuntime } from './steps.js'

/** What became of one change. */
export interface Undone {
  readonly change: Change
  readonly outcome: Outcome | 'another boot' | 'failed'
  /** What went wrong, for `failed`. */
  readonly error: UserError | null
}

/** What `undoHost` goes by, in the order in which it undoes. Those of the record's own directory end with the record. */
export function changesToUndo({ changes }: ApplyRecord): Change[] {
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
export async function undoHost(host: Host, record: ApplyRecord): Promise<Undone[]> {
  const isThisBoot = record.boot === bootOf(host.root)
  const done: Undone[] = []
  for (const change of changesToUndo(record)) done.push(await undoOne(host, change, isThisBoot))
  const kept = done.filter(isKept).map(({ change }) => change)
  if (kept.length === 0) removeApplyRecord(host.root, record)
  else writeApplyRecord(host.root, { ...record, changes: record.changes.filter((one) => isLeft(one, kept)) })
  return done
}

function isKept({ change, outcome }: Undone): boolean {
  return outcome === 'failed' || (outcome === 'changed since' && change.kind === 'written')
}

function isLeft(change: Change, kept: readonly Change[]): boolean {
  return kept.includes(change) || change.kind === 'directory'
}

async function undoOne(host: Host, change: Change, isThisBoot: boolean): Promise<Undone> {
  try {
    if (endsWithBoot(change) && !isThisBoot) return { change, outcome: 'another boot', error: null }
    return { change, outcome: await outcomeOf(host, change), error: null }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return { change, outcome: 'failed', error }
  }
}

async function outcomeOf(host: Host, change: Change): Promise<Outcome> {
  switch (change.kind) {
    case 'written':
      return undoFile(host.root, change)
    case 'link':
      return undoLink(host.root, change)
    case 'directory':
      removeEmpty(host.root, change.path)
      return 'undone'
    default:
      return undoRuntime(host, change)
  }
}
