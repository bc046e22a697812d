import { lstatSync, mkdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { fileChangedSince, hostNotChanged, placeUnsafe } from '../../errors/host-apply.js'
import { errorCode } from '../../host/sysfs.js'
import type { Root } from '../../host/sysroot.js'
import { directoryOf } from '../../units/path.js'
import type { Step } from '../step.js'
import { type Access, Refused } from './access.js'
import { isSame, writable } from './compare.js'
import { discardFresh, missingDirectories, ownFile, readPlain, replaceFile } from './places.js'
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

/** How a change was put back: as it was before, or left because somebody else has changed it since, or it is gone. */
export type Outcome = 'undone' | 'was so already' | 'changed since' | 'gone'

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
  const fresh = { kind, target, name, form, before: '', set: [wanted] }
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
      await undoRuntime(host, before as RuntimeChange)
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

/** Puts a value back that is still what was set. */
export async function undoRuntime({ root, access }: Host, change: RuntimeChange): Promise<Outcome> {
  const { form, before, set } = change
  const now = access.read(change)
  if (now === null) return 'gone'
  if (now === before || (root === '' && isSame(form, now, before))) return 'was so already'
  if (!set.some((one) => isSame(form, now, one))) return 'changed since'
  try {
    // A copy of a host gets the text of its file back, brackets and all.
    await access.write(change, root === '' ? `${writable(form, before)}\n` : before)
  } catch (error) {
    throw error instanceof Refused ? hostNotChanged({ path: change.name, reason: error.message }) : error
  }
  return 'undone'
}

export function directoryStep(root: Root, path: string): Step<Change> {
  return {
    look: () => (missingDirectories(root, path).includes(path) ? { kind: 'directory', path } : null),
    make: () => makeDirectory(root, path),
    undo: (before) => removeEmpty(root, (before as DirectoryMade).path),
  }
}

/** Makes a directory that everybody may read, whatever the umask. */
export function makeDirectory(root: Root, path: string): void {
  const mask = process.umask(0o022)
  try {
    mkdirSync(root + path, { mode: 0o755 })
  } catch (error) {
    throw hostNotChanged({ path, reason: errorCode(error) ?? String(error) })
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
  if (!isOurs && now.text !== written.before?.text) throw fileChangedSince({ path })
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
    undo: (before) => {
      undoFile(root, before as FileChange)
    },
  }
}

/** Stands in every text of ours: a file without it has become somebody else's. */
const MARK = 'qemu-rt host apply'

/** Gives a file that is still what was written its old text, mode and owner; one that was not there is removed. */
export function undoFile(root: Root, { path, before, set }: FileChange): Outcome {
  if (missingDirectories(root, directoryOf(path)).length > 0) return 'gone'
  discardFresh(root, path)
  const now = readPlain(root, path)
  if (now === null && before === null) return 'was so already'
  if (now !== null && before !== null && now.text === before.text && now.mode === before.mode)
    return 'was so already'
  if (now !== null && !set.includes(now.text))
    return now.text.includes(MARK) ? 'changed since' : 'was so already'
  if (before === null) remove(root, path)
  else replaceFile(root, path, before)
  return 'undone'
}

/** Makes a link, as `systemctl enable` does. */
export function linkStep(root: Root, path: string, to: string): Step<Change> {
  return {
    look() {
      const there = linkAt(root, path)
      if (there !== null && there !== to)
        throw placeUnsafe({ path, reason: 'is something else than the link that enables the unit' })
      return there === to ? null : { kind: 'link', path, to }
    },
    make() {
      try {
        symlinkSync(to, root + path)
      } catch (error) {
        throw hostNotChanged({ path, reason: errorCode(error) ?? String(error) })
      }
    },
    undo: (before) => {
      undoLink(root, before as LinkMade)
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

export function undoLink(root: Root, { path, to }: LinkMade): Outcome {
  const there = linkAt(root, path)
  if (there === null) return 'was so already'
  if (there !== to) return 'changed since'
  remove(root, path)
  return 'undone'
}

function remove(root: Root, path: string): void {
  try {
    rmSync(root + path, { force: true })
  } catch (error) {
    throw hostNotChanged({ path, reason: errorCode(error) ?? String(error) })
  }
}
