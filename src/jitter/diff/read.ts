import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import * as v from 'valibot'
import { badResult, resultNotReadable, resultTooNew } from '../../errors/jitter.js'
import { JSON_VERSION } from '../json.js'

/** A result has about 30 KB, with 64 vCPUs; one that somebody has made must not fill the memory. */
const MOST_BYTES = 1 << 20

const name = v.pipe(v.string(), v.maxLength(256))
const text = v.nullable(v.pipe(v.string(), v.maxLength(4096)))
const number = v.pipe(v.number(), v.finite(), v.minValue(0))
const count = v.pipe(number, v.maxValue(Number.MAX_SAFE_INTEGER))

const CHECKS = v.object({
  counts: v.record(name, count),
  notPassed: v.pipe(v.array(v.object({ id: name, result: name })), v.maxLength(1000)),
})

const HOST = v.object({
  kernel: text,
  commandLine: text,
  cpuModel: text,
  microcode: text,
  checks: v.nullable(CHECKS),
})

const BUCKET = v.object({ fromMicroseconds: number, toMicroseconds: number, count })

/** What is the same in every version; what version 1 does not have is what it always was, or not known. */
const RUN = v.object({
  profile: v.nullable(name),
  accelerator: v.picklist(['kvm', 'tcg']),
  mode: v.optional(name, 'spin'),
  timer: v.optional(v.nullable(name), null),
  intervalMicroseconds: v.optional(v.nullable(number), null),
  seconds: number,
  worstMicroseconds: number,
  missed: v.optional(count, 0),
  frameBytes: v.optional(count),
  histogram: v.pipe(v.array(BUCKET), v.maxLength(256)),
  vcpus: v.optional(v.pipe(v.array(v.object({ number: count })), v.maxLength(1024))),
})

const FILE = v.object({
  // The network mode says it here, for all of its runs.
  mode: v.optional(v.literal('network')),
  version: v.pipe(v.number(), v.integer(), v.minValue(1)),
  time: v.optional(v.nullable(name), null),
  host: v.optional(v.nullable(HOST), null),
  configuration: v.optional(v.nullable(v.object({ sha256: name })), null),
  runs: v.pipe(v.array(RUN), v.minLength(1), v.maxLength(16)),
})

/** A result that `jitter --format json` has printed; `host` is null for one of version 1. */
export type ReadResult = Omit<v.InferOutput<typeof FILE>, 'mode'>
export type ReadRun = v.InferOutput<typeof RUN>

/**
 * Reads a result of this version or an earlier one.
 * @throws {UserError} exit 65 for a file that cannot be read, is no such result, or is one of a later version
 */
export function readResult(path: string): ReadResult {
  return parseResult(readText(path), path)
}

/** @throws {UserError} exit 65 for what is no result, or one of a later version */
export function parseResult(text: string, path: string): ReadResult {
  const value = parseJson(text, path)
  const version = v.safeParse(v.object({ version: v.number() }), value)
  if (version.success && version.output.version > JSON_VERSION)
    throw resultTooNew({ path, version: version.output.version, known: JSON_VERSION })
  const parsed = v.safeParse(FILE, value)
  if (parsed.success) {
    const { mode, runs, ...rest } = parsed.output
    return { ...rest, runs: runs.map((run) => ({ ...run, mode: mode ?? run.mode })) }
  }
  const [issue] = parsed.issues
  throw badResult({ path, why: whyNoResult(value, v.getDotPath(issue)) })
}

/** @param at the first value that is not as a result has it, as `runs.0.seconds`; null for the whole */
function whyNoResult(value: unknown, at: string | null): string {
  if (at === null) return 'it is not a JSON object'
  const isMissing = at.split('.').reduce<unknown>(member, value) === undefined
  return isMissing ? `it has no ${at}` : `${at} is not what jitter prints`
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw badResult({ path, why: 'it is not JSON' })
  }
}

/** Without waiting for a pipe's other end, and not beyond a limit. */
function readText(path: string): string {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    throw resultNotReadable({ path, why: (error as NodeJS.ErrnoException).code ?? 'unknown' })
  }
  try {
    if (!fstatSync(file).isFile()) throw badResult({ path, why: 'it is not a file' })
    const buffer = Buffer.alloc(MOST_BYTES + 1)
    let size = 0
    for (let read = -1; read !== 0; size += read)
      read = readSync(file, buffer, size, buffer.length - size, null)
    if (size > MOST_BYTES) throw badResult({ path, why: 'it is longer than 1 MiB' })
    return buffer.toString('utf8', 0, size)
  } finally {
    closeSync(file)
  }
}
