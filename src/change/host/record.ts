import { rmdirSync, rmSync } from 'node:fs'
import { applyRecordNotReadable, hostNotChanged } from '../../errors/host-apply.js'
import { errorCode, readAttribute } from '../../host/sysfs.js'
import type { Root } from '../../host/sysroot.js'
import { directoryOf } from '../../units/path.js'
import type { Form } from './compare.js'
import {
  discardFresh,
  type FileBefore,
  missingDirectories,
  ownFile,
  readPlain,
  replaceFile,
} from './places.js'

export const RECORD_FILE = '/var/lib/qemu-rt/host-apply.json'
/** What `host isolate` has changed: it is undone by itself. */
export const ISOLATE_RECORD_FILE = '/var/lib/qemu-rt/host-isolate.json'
export const RECORD_DIRECTORY = directoryOf(RECORD_FILE)

/** A value that was set while the host ran. */
export interface RuntimeChange {
  readonly kind: 'file' | 'cpus' | 'policy'
  /** A path, or the number of a thread of the kernel's. */
  readonly target: string
  readonly name: string
  readonly form: Form
  readonly before: string
  /** All that it was set to: an apply that was cut off leaves one of them. */
  readonly set: readonly string[]
  /** A sysctl that somebody else's file sets at the next boot. */
  readonly endsWithBoot?: true
}

/** A file that was written. */
export interface FileChange {
  readonly kind: 'written'
  readonly path: string
  /** Null when there was none. */
  readonly before: FileBefore | null
  readonly set: readonly string[]
}

export interface DirectoryMade {
  readonly kind: 'directory'
  readonly path: string
}

export interface LinkMade {
  readonly kind: 'link'
  readonly path: string
  readonly to: string
}

/** A control group that keeps CPUs for VMs or for the switch, and which these are. It is gone after a boot. */
export interface GroupMade {
  readonly kind: 'group'
  readonly path: string
  readonly cpus: string
}

/** The cpuset controller, which was turned on for the groups below one. It is off again after a boot. */
export interface ControllerOn {
  readonly kind: 'controller'
  readonly path: string
}

export type Change = RuntimeChange | FileChange | DirectoryMade | LinkMade | GroupMade | ControllerOn

export interface ApplyRecord {
  /** The boot that run-time values belong to; empty where it is not known. */
  readonly boot: string
  /** In the order in which they were made. */
  readonly changes: readonly Change[]
}

/** Which boot a host is in. */
export function bootOf(root: Root): string {
  return readAttribute(`${root}/proc/sys/kernel/random/boot_id`) ?? ''
}

export function isRuntime(change: Change): change is RuntimeChange {
  return change.kind === 'file' || change.kind === 'cpus' || change.kind === 'policy'
}

/** Whether a value is gone with the boot in which it was set. A sysctl of qemu-rt's file is not: that sets it at each boot. */
export function endsWithBoot(change: Change): boolean {
  if (change.kind === 'group' || change.kind === 'controller') return true
  if (!isRuntime(change)) return false
  return change.endsWithBoot === true || !(change.kind === 'file' && change.target.startsWith('/proc/sys/'))
}

function keyOf(change: Change): string {
  return isRuntime(change)
    ? `${change.kind} ${change.target} ${change.kind === 'file' ? '' : change.name}`
    : `${change.kind} ${change.path}`
}

export function findChange(changes: readonly Change[], wanted: Change): Change | undefined {
  const key = keyOf(wanted)
  return changes.find((one) => keyOf(one) === key)
}

/** Adds changes to those that are known. What was there first is what counts as before. */
export function mergeChanges(known: readonly Change[], made: readonly Change[]): Change[] {
  const byKey = new Map(known.map((change) => [keyOf(change), change]))
  for (const change of made) {
    const first = byKey.get(keyOf(change))
    byKey.set(keyOf(change), first === undefined ? change : joined(first, change))
  }
  return [...byKey.values()]
}

function joined(first: Change, later: Change): Change {
  if (later.kind === 'group') return later
  if ('set' in first && 'set' in later) return { ...first, set: [...new Set([...first.set, ...later.set])] }
  return first
}

/**
 * Reads root's record of what apply has changed, or what another command has.
 * @returns null when there is none
 * @throws {UserError} exit 77 when it is there and cannot be read, or others may change it
 */
export function readApplyRecord(root: Root, path = RECORD_FILE): ApplyRecord | null {
  if (missingDirectories(root, RECORD_DIRECTORY).length > 0) return null
  const file = readPlain(root, path)
  if (file === null) return null
  const record = parse(Buffer.from(file.text, 'latin1').toString('utf8'))
  if (record === null) throw applyRecordNotReadable({ path: root + path, reason: 'it is not such a record' })
  return record
}

export function writeApplyRecord(root: Root, { boot, changes }: ApplyRecord, path = RECORD_FILE): void {
  const list = changes.map((change) => `\n    ${JSON.stringify(change)}`).join(',')
  const text = `{\n  "version": 1,\n  "boot": ${JSON.stringify(boot)},\n  "changes": [${list}]\n}\n`
  replaceFile(root, path, ownFile(Buffer.from(text).toString('latin1')))
}

/** Removes what an apply has left that was killed while it wrote its first record: it has changed nothing yet. */
export function discardUnwrittenRecord(root: Root, file = RECORD_FILE): void {
  if (missingDirectories(root, RECORD_DIRECTORY).length === 0) discardFresh(root, file)
}

/** Removes the record, and its directory where apply made that. */
export function removeApplyRecord(root: Root, { changes }: ApplyRecord, file = RECORD_FILE): void {
  discardUnwrittenRecord(root, file)
  try {
    rmSync(root + file, { force: true })
  } catch (error) {
    throw hostNotChanged({ path: root + file, reason: errorCode(error) ?? String(error) })
  }
  const made = changes.flatMap((change) => (change.kind === 'directory' ? [change.path] : []))
  for (const path of made.reverse().filter((one) => `${RECORD_DIRECTORY}/`.startsWith(`${one}/`)))
    removeEmpty(root, path)
}

/** Removes a directory unless somebody has put something into it. */
export function removeEmpty(root: Root, path: string): void {
  try {
    rmdirSync(root + path)
  } catch (error) {
    const code = errorCode(error)
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST')
      throw hostNotChanged({ path: root + path, reason: code ?? String(error) })
  }
}

type Json = Readonly<Record<string, unknown>>

function parse(text: string): ApplyRecord | null {
  try {
    const json: unknown = JSON.parse(text)
    if (
      !isObject(json) ||
      json.version !== 1 ||
      typeof json.boot !== 'string' ||
      !Array.isArray(json.changes)
    )
      return null
    const changes: unknown[] = json.changes
    return changes.every(isChange) ? { boot: json.boot, changes } : null
  } catch {
    return null
  }
}

function isObject(json: unknown): json is Json {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

const FORMS: readonly unknown[] = ['number', 'mask', 'list', 'choice', 'word']

function isChange(json: unknown): json is Change {
  if (!isObject(json)) return false
  const { kind, path } = json
  if (kind === 'directory' || kind === 'controller') return isPath(path)
  if (kind === 'group') return isPath(path) && typeof json.cpus === 'string'
  if (kind === 'link') return isPath(path) && typeof json.to === 'string'
  if (kind === 'written') return isPath(path) && areTexts(json.set) && isBefore(json.before)
  const { target, name, form, before, set } = json
  return (
    (kind === 'file' || kind === 'cpus' || kind === 'policy') &&
    typeof target === 'string' &&
    typeof name === 'string' &&
    FORMS.includes(form) &&
    typeof before === 'string' &&
    areTexts(set)
  )
}

function isPath(json: unknown): json is string {
  return typeof json === 'string' && /^\/[^\0]+$/.test(json) && !json.split('/').includes('..')
}

function areTexts(json: unknown): json is string[] {
  return Array.isArray(json) && json.every((one) => typeof one === 'string')
}

function isBefore(json: unknown): boolean {
  if (json === null) return true
  return (
    isObject(json) &&
    typeof json.text === 'string' &&
    [json.mode, json.uid, json.gid].every((one) => Number.isSafeInteger(one))
  )
}
