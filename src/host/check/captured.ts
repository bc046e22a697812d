import { type CpuSet, formatCpuSet, parseCpuSet } from '../../units/cpu-set.js'
import { readProc } from '../proc.js'
import type { Root } from '../sysroot.js'
import type { CheckFacts, DaemonFact, OwnerFact, ThreadFact } from './facts.js'

/** What a host's checks look at and no copied file tells: threads, owners, limits, lines of the log. Never read of a host that runs. */
export const CAPTURED_CHECKS_PATH = '/host-checks.json'

/** The part of the facts that is in that file. */
export interface CapturedChecks
  extends Pick<CheckFacts, 'owners' | 'threads' | 'whyNoThreads' | 'kernelLog' | 'whyNoLog' | 'daemons'> {
  /** Files that were there, or may have been, and could not be read: the errno name by path or pattern. */
  readonly hidden: ReadonlyMap<string, string>
}

/** What could not be read of a host's files, so that the copy does not take it for missing. */
export function hiddenOf({ files }: Pick<CheckFacts, 'files'>): ReadonlyMap<string, string> {
  return new Map(
    [...files].flatMap(([path, fact]): [string, string][] =>
      fact.text === null && fact.why !== 'ENOENT' ? [[path, fact.why]] : [],
    ),
  )
}

/** The text of the file: a thread a line, so that two captures can be compared. */
export function formatCapturedChecks(checks: CapturedChecks): string {
  const list = (values: readonly object[]) =>
    `[${values.map((one) => `\n    ${JSON.stringify(one)}`).join(',')}]`
  const owners = [...(checks.owners ?? [])].map(([path, owner]) => ({ path, ...owner }))
  const threads = checks.threads?.map(({ cpus, ...thread }) => ({ ...thread, cpus: formatCpuSet(cpus) }))
  return `{
  "version": 1,
  "owners": ${list(owners)},
  "threads": ${threads === undefined ? 'null' : list(threads)},
  "whyNoThreads": ${JSON.stringify(checks.whyNoThreads)},
  "kernelLog": ${JSON.stringify(checks.kernelLog)},
  "whyNoLog": ${JSON.stringify(checks.whyNoLog)},
  "daemons": ${list(checks.daemons)},
  "hidden": ${JSON.stringify(Object.fromEntries(checks.hidden))}
}
`
}

const NOT_CAPTURED = 'the host was captured without it; capture it again with this version'

/** Nothing is known of a host that an earlier version captured, or whose file is damaged. */
const NOTHING: CapturedChecks = {
  owners: null,
  threads: null,
  whyNoThreads: NOT_CAPTURED,
  kernelLog: null,
  whyNoLog: NOT_CAPTURED,
  daemons: [],
  hidden: new Map(),
}

/** Reads the file of a captured host. One that is no such file says nothing. */
export function readCapturedChecks(root: Root): CapturedChecks {
  try {
    const json: unknown = JSON.parse(readProc(root + CAPTURED_CHECKS_PATH) ?? '')
    return (isObject(json) && json.version === 1 ? parse(json) : null) ?? NOTHING
  } catch {
    return NOTHING
  }
}

type Json = Readonly<Record<string, unknown>>

function parse(json: Json): CapturedChecks | null {
  const { owners, threads, kernelLog, daemons } = json
  if (!Array.isArray(owners) || !Array.isArray(daemons)) return null
  return {
    owners: new Map(owners.flatMap((one) => (isOwner(one) ? [ownerOf(one)] : []))),
    threads: Array.isArray(threads) ? threads.flatMap((one) => threadOf(one) ?? []) : null,
    whyNoThreads: text(json.whyNoThreads),
    kernelLog: Array.isArray(kernelLog) ? kernelLog.filter((line) => typeof line === 'string') : null,
    whyNoLog: text(json.whyNoLog),
    daemons: daemons.filter(isDaemon),
    hidden: new Map(
      Object.entries(isObject(json.hidden) ? json.hidden : {}).map(([path, why]) => [path, text(why)]),
    ),
  }
}

function isObject(json: unknown): json is Json {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function text(json: unknown): string {
  return typeof json === 'string' ? json : ''
}

function isOwner(json: unknown): json is OwnerFact & { readonly path: string } {
  return (
    isObject(json) &&
    typeof json.path === 'string' &&
    typeof json.kind === 'string' &&
    [json.uid, json.gid, json.mode].every((one) => typeof one === 'number')
  )
}

function ownerOf({ path, kind, uid, gid, mode }: OwnerFact & { readonly path: string }): [string, OwnerFact] {
  return [path, { kind, uid, gid, mode }]
}

function isLimit(json: unknown): boolean {
  return json === 'unlimited' || typeof json === 'number'
}

function isDaemon(json: unknown): json is DaemonFact {
  return (
    isObject(json) &&
    typeof json.name === 'string' &&
    isLimit(json.realtimePriority) &&
    isLimit(json.lockedMemory)
  )
}

const POLICIES: readonly ThreadFact['policy'][] = ['other', 'fifo', 'rr', 'batch', 'idle', 'deadline']

function threadOf(json: unknown): ThreadFact | null {
  if (!isObject(json)) return null
  const policy = POLICIES.find((one) => one === json.policy)
  const cpus: CpuSet | null = parseCpuSet(text(json.cpus))
  if (policy === undefined || cpus === null || typeof json.pid !== 'number' || typeof json.tid !== 'number')
    return null
  return {
    pid: json.pid,
    tid: json.tid,
    name: text(json.name),
    isKernels: json.isKernels === true,
    isBound: json.isBound === true,
    policy,
    priority: typeof json.priority === 'number' ? json.priority : 0,
    cpus,
    group: typeof json.group === 'string' ? json.group : null,
  }
}
