import { lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { fileChangedSince, hostNotChanged, placeUnsafe } from '../../errors/host-apply.js'
import { errorCode } from '../../host/sysfs.js'
import type { Root } from '../../host/sysroot.js'
import { directoryOf } from '../../units/path.js'
import type { Step } from '../step.js'
import { type Access, Refused } from './access.js'
import { isSame, writable } from './compare.js'
import {
  discardFresh,
  type FileBefore,
  missingDirectories,
  ownFile,
  readPlain,
  replaceFile,
} from './places.js'
import type { PlannedFile } from './plan.js'
import {
  type Change,
  type DirectoryMade,
  type FileChange,
  findChange,
  type LinkMade,
  type RuntimeChange,
  removeEmpty,
} from './record.js'
import type { RuntimeSetting } from './settings.js'

/**
 * How a change is put back: as it was before, or left because somebody else has changed it since, or it is gone. A directory is
 * in use that has something in it.
 */
export type Outcome = 'undone' | 'was so already' | 'changed since' | 'gone' | 'in use'

/** What becomes of a change, and how: a dry run tells the first and leaves the second. */
export interface Undoing {
  readonly outcome: Outcome
  /** The path that is not there afterwards. */
  readonly removes?: string
  readonly make?: () => Promise<void> | void
}

/** What the steps work on. */
export interface Host {
  readonly root: Root
  readonly access: Access
}

/**
 * Sets a value while the host runs. What the kernel refuses is told and is no failure: some interrupts do not let
 * themselves be moved, and nothing tells beforehand.
 * @param known changes of earlier runs
 */
export function runtimeStep(
  host: Host,
  setting: RuntimeSetting,
  known: readonly Change[],
  refused: (reason: string) => void,
): Step<Change> {
  const { kind, target, name, form, wanted } = setting
  const ends = setting.endsWithBoot === true ? { endsWithBoot: true as const } : {}
  const fresh = { kind, target, name, form, before: '', set: [wanted], ...ends }
  return {
    look() {
      const now = host.access.read(setting)
      if (now === null || isSame(form, now, wanted) || isAsTheKernelMadeIt(fresh, now, known)) return null
      return { ...fresh, before: now }
    },
    async make() {
      try {
        await host.access.write(setting, `${wanted}\n`)
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        refused(error.message)
      }
    },
    undo: async (before) => {
      await undoRuntime(host, before as RuntimeChange).make?.()
    },
  }
}

/** Whether an earlier run has set the same, of which the kernel made what is there: it takes out CPUs that it does not have. */
function isAsTheKernelMadeIt(fresh: RuntimeChange, now: string, known: readonly Change[]): boolean {
  const earlier = findChange(known, fresh)
  const set = earlier !== undefined && 'set' in earlier ? earlier.set : []
  const has = (text: string) => set.some((one) => isSame(fresh.form, one, text))
  return fresh.set.every(has) && has(now)
}

/** Looks how a value that is still what was set is put back. */
export function undoRuntime({ root, access }: Host, change: RuntimeChange): Undoing {
  const { form, before, set } = change
  const now = access.read(change)
  if (now === null) return { outcome: 'gone' }
  if (now === before || (root === '' && isSame(form, now, before))) return { outcome: 'was so already' }
  if (!set.some((one) => isSame(form, now, one))) return { outcome: 'changed since' }
  const make = async () => {
    try {
      // A copy of a host gets the text of its file back, brackets and all.
      await access.write(change, root === '' ? `${writable(form, before)}\n` : before)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      if (!(await undoCpusOfGroup(access, change, error.message)))
        throw hostNotChanged({ path: nameIn(root, change), reason: error.message })
    }
  }
  return { outcome: 'undone', make }
}

/**
 * A group with processes in it cannot have its CPUs made empty again, which means no limit: ENOSPC (Linux
 * kernel/cgroup/cpuset.c, validate_change). All CPUs that there may be are no limit, either.
 */
async function undoCpusOfGroup(access: Access, change: RuntimeChange, reason: string): Promise<boolean> {
  if (reason !== 'ENOSPC' || change.before.trim() !== '' || !change.target.endsWith('/cpuset.cpus'))
    return false
  const possible = access.read({ ...change, target: '/sys/devices/system/cpu/possible' })
  if (possible === null) return false
  await access.write(change, possible)
  return true
}

/** A file of a copy is named with where the copy is; a thread has no place. */
export function nameIn(root: Root, { kind, name }: Pick<RuntimeChange, 'kind' | 'name'>): string {
  return kind === 'file' ? root + name : name
}

export function directoryStep(root: Root, path: string): Step<Change> {
  return {
    look: () => (missingDirectories(root, path).includes(path) ? { kind: 'directory', path } : null),
    make: () => makeDirectory(root, path),
    undo: (before) => removeEmpty(root, (before as DirectoryMade).path),
  }
}

/**
 * Looks how a directory that was made is removed.
 * @param removed what is not there any more by then, or would not be
 */
export function undoDirectory(root: Root, { path }: DirectoryMade, removed: ReadonlySet<string>): Undoing {
  if (missingDirectories(root, path).length > 0) return { outcome: 'gone' }
  if (namesIn(root, path).some((name) => !removed.has(`${path}/${name}`))) return { outcome: 'in use' }
  return { outcome: 'undone', removes: path, make: () => removeEmpty(root, path) }
}

function namesIn(root: Root, path: string): string[] {
  try {
    return readdirSync(root + path)
  } catch (error) {
    throw hostNotChanged({ path: root + path, reason: errorCode(error) ?? String(error) })
  }
}

/** Makes a directory that everybody may read, whatever the umask. */
export function makeDirectory(root: Root, path: string): void {
  const mask = process.umask(0o022)
  try {
    mkdirSync(root + path, { mode: 0o755 })
  } catch (error) {
    throw hostNotChanged({ path: root + path, reason: errorCode(error) ?? String(error) })
  } finally {
    process.umask(mask)
  }
}

/**
 * What a file is to have in it: what others have written there stays, before what is ours.
 * @throws {UserError} exit 69 when an earlier run has written the file and somebody else has changed it since
 */
export function fileContent(root: Root, { path, text }: PlannedFile, known: readonly Change[]): FileOutcome {
  const isMissing = missingDirectories(root, directoryOf(path)).length > 0
  const now = isMissing ? null : readPlain(root, path)
  const earlier = findChange(known, { kind: 'written', path, before: null, set: [] })
  const written = earlier?.kind === 'written' ? earlier : null
  const isOurs = now === null || written === null || written.set.includes(now.text)
  if (!isOurs && now.text !== written.before?.text) throw fileChangedSince({ path: root + path })
  const others = (written === null ? now : written.before)?.text ?? ''
  const gap = others === '' || others.endsWith('\n') ? '' : '\n'
  return { now, wanted: `${others}${gap}${text}` }
}

interface FileOutcome {
  readonly now: ReturnType<typeof readPlain>
  readonly wanted: string
}

/** Writes a file of settings. */
export function fileStep(root: Root, file: PlannedFile, known: readonly Change[]): Step<Change> {
  const { path } = file
  return {
    look() {
      const { now, wanted } = fileContent(root, file, known)
      return now?.text === wanted ? null : { kind: 'written', path, before: now, set: [wanted] }
    },
    make() {
      const { now, wanted } = fileContent(root, file, known)
      replaceFile(root, path, { ...(now ?? ownFile('')), text: wanted })
    },
    undo: async (before) => {
      await undoFile(root, before as FileChange).make?.()
    },
  }
}

/** Stands in every text of ours: a file without it has become somebody else's. */
const MARK = /qemu-rt host (apply|isolate)/

/**
 * Looks how a file gets its old text, mode and owner. Of a file into which somebody else has written since, only what apply has
 * written is taken out. One that was not there before is removed when nothing is left in it.
 */
export function undoFile(root: Root, { path, before, set }: FileChange): Undoing {
  if (missingDirectories(root, directoryOf(path)).length > 0) return { outcome: 'gone' }
  const discard = () => discardFresh(root, path)
  const asItIs: Undoing = { outcome: 'was so already', make: discard }
  const now = readPlain(root, path)
  if (now === null && before === null) return asItIs
  if (now !== null && before !== null && now.text === before.text && now.mode === before.mode) return asItIs
  const old = now === null || set.includes(now.text) ? before : withoutOurs(now, before, set)
  if (old === undefined)
    return now !== null && MARK.test(now.text) ? { outcome: 'changed since', make: discard } : asItIs
  const make = () => {
    discard()
    if (old === null) remove(root, path)
    else replaceFile(root, path, old)
  }
  return { outcome: 'undone', make, ...(old === null ? { removes: path } : {}) }
}

/** A file without what apply has written into it: null when nothing is left, undefined when that does not stand there as it was. */
function withoutOurs(
  now: FileBefore,
  before: FileBefore | null,
  set: readonly string[],
): FileBefore | null | undefined {
  if (before === null && now.text.trim() === '') return null
  const ours = set.map((text) => oursOf(text, before)).find((text) => now.text.includes(text))
  if (ours === undefined) return undefined
  const at = now.text.indexOf(ours)
  const text = now.text.slice(0, at) + now.text.slice(at + ours.length)
  return before === null && text.trim() === '' ? null : { ...now, text }
}

/** What of a text that was written is ours: what others had written stands before it. */
function oursOf(text: string, before: FileBefore | null): string {
  const others = before?.text ?? ''
  return text.startsWith(others) ? text.slice(others.length).replace(/^\n/, '') : text
}

/** Lines of ours that still stand in a file that somebody else has changed since. */
export function linesOfOurs(root: Root, { path, before, set }: FileChange): string[] {
  const ours = new Set(set.flatMap((text) => oursOf(text, before).split('\n')))
  const now = readPlain(root, path)?.text.split('\n') ?? []
  return now.filter((line) => line !== '' && ours.has(line))
}

/** Makes a link, as `systemctl enable` does. */
export function linkStep(root: Root, path: string, to: string): Step<Change> {
  return {
    look() {
      const there = linkAt(root, path)
      if (there !== null && there !== to)
        throw placeUnsafe({
          path: root + path,
          reason: 'this is something else than the link that enables the unit',
        })
      return there === to ? null : { kind: 'link', path, to }
    },
    make() {
      try {
        symlinkSync(to, root + path)
      } catch (error) {
        throw hostNotChanged({ path: root + path, reason: errorCode(error) ?? String(error) })
      }
    },
    undo: async (before) => {
      await undoLink(root, before as LinkMade).make?.()
    },
  }
}

/** Where a link leads; the empty text for what is no link, null when there is nothing. */
function linkAt(root: Root, path: string): string | null {
  if (missingDirectories(root, directoryOf(path)).length > 0) return null
  const stats = lstatSync(root + path, { throwIfNoEntry: false })
  if (stats === undefined) return null
  return stats.isSymbolicLink() ? readlinkSync(root + path) : ''
}

export function undoLink(root: Root, { path, to }: LinkMade): Undoing {
  const there = linkAt(root, path)
  if (there === null) return { outcome: 'was so already' }
  if (there !== to) return { outcome: 'changed since' }
  return { outcome: 'undone', removes: path, make: () => remove(root, path) }
}

function remove(root: Root, path: string): void {
  try {
    rmSync(root + path, { force: true })
  } catch (error) {
    throw hostNotChanged({ path: root + path, reason: errorCode(error) ?? String(error) })
  }
}
