import { directoryOf } from '../../units/path.js'
import { makeAll, type Step } from '../step.js'
import { isSame } from './compare.js'
import { missingDirectories } from './places.js'
import { type HostPlan, UNIT_FILE, UNIT_LINK, UNIT_LINK_TARGET } from './plan.js'
import {
  type ApplyRecord,
  bootOf,
  type Change,
  endsWithBoot,
  isRuntime,
  mergeChanges,
  RECORD_DIRECTORY,
  RECORD_FILE,
  readApplyRecord,
  removeApplyRecord,
  writeApplyRecord,
} from './record.js'
import { directoryStep, fileStep, type Host, linkStep, makeDirectory, nameIn, runtimeStep } from './steps.js'

/** What an apply has done. */
export interface Applied {
  /** How many values, files and the like are other than before. */
  readonly changed: number
  /** Whether units of systemd's are other than before. */
  readonly hasNewUnit: boolean
  /** What the kernel would not have, a line each. */
  readonly refused: readonly string[]
}

/**
 * Carries a plan out: all of it, or nothing. What was there before is in root's record before anything is changed, so that
 * `undoHost` can put it back after this process was killed, too.
 * @param prepare adds steps; a test has a step fail here
 * @param recordFile of the command that makes these changes
 * @throws {UserError} exit 69 or 77; all is as before then
 */
export async function applyHost(
  host: Host,
  plan: Pick<HostPlan, 'runtime' | 'files'>,
  prepare: (steps: readonly Step<Change>[]) => readonly Step<Change>[] = (steps) => steps,
  recordFile = RECORD_FILE,
): Promise<Applied> {
  const { root } = host
  const boot = bootOf(root)
  const known = ofThisBoot(readApplyRecord(root, recordFile), boot)
  const refused: string[] = []
  const units = plan.files.some(({ path }) => path === UNIT_FILE)
  const directories = plan.files.map(({ path }) => directoryOf(path))
  if (units) directories.push(directoryOf(UNIT_LINK))
  const missing = new Set(directories.flatMap((directory) => missingDirectories(root, directory)))
  const steps = prepare([
    ...[...missing].map((path) => directoryStep(root, path)),
    ...plan.files.map((file) => fileStep(root, file, known)),
    ...(units ? [linkStep(root, UNIT_LINK, UNIT_LINK_TARGET)] : []),
    ...plan.runtime.map((setting) =>
      runtimeStep(host, setting, known, (reason) => refused.push(`${nameIn(root, setting)}: ${reason}`)),
    ),
  ])
  // All of it is looked at first: a host with something that stands in the way is left alone.
  if (steps.every((step) => step.look() === null)) return { changed: 0, hasNewUnit: false, refused }
  const places = makeRecordDirectory(host)
  let made: readonly Change[] = []
  const record = (changes: readonly Change[]) => {
    made = changes
    writeApplyRecord(root, { boot, changes: mergeChanges(known, [...places, ...changes]) }, recordFile)
  }
  try {
    await makeAll(steps, record)
  } catch (error) {
    if (known.length === 0 && made.length === 0)
      removeApplyRecord(root, { boot, changes: places }, recordFile)
    throw error
  }
  record(made.map((change) => withWhatTheKernelMade(host, change)))
  return {
    changed: made.length - refused.length,
    hasNewUnit: made.some(isOfUnit),
    refused,
  }
}

function isOfUnit(change: Change): boolean {
  return change.kind === 'link' || (change.kind === 'written' && change.path === UNIT_FILE)
}

/** Values of another boot are gone, and so is what was before them; a sysctl's counts on. */
function ofThisBoot(record: ApplyRecord | null, boot: string): readonly Change[] {
  if (record === null) return []
  return record.boot === boot ? record.changes : record.changes.filter((change) => !endsWithBoot(change))
}

/** The record says which directories were made for it. */
function makeRecordDirectory({ root }: Host): Change[] {
  return missingDirectories(root, RECORD_DIRECTORY).map((path) => {
    makeDirectory(root, path)
    return { kind: 'directory', path }
  })
}

/** The kernel may make another value of what is written, such as a mask without CPUs that it does not have. */
function withWhatTheKernelMade({ access }: Host, change: Change): Change {
  if (!isRuntime(change)) return change
  const now = access.read(change)
  const isKnown =
    now === null ||
    isSame(change.form, now, change.before) ||
    change.set.some((one) => isSame(change.form, one, now))
  return isKnown ? change : { ...change, set: [...change.set, now.trim()] }
}
