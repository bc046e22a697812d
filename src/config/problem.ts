import { configInvalid } from '../errors/config.js'
import type { UserError } from '../errors/user-error.js'
import { tomlKey } from '../units/toml-key.js'
import type { KeyPath } from './place.js'
import { isTable } from './values.js'

/** Something wrong with one setting. */
export interface Problem {
  readonly path: KeyPath
  /** `what is wrong; what to do`, with $setting for the setting as written and $key for its key. */
  readonly message: string
}

/** What is needed to tell where a problem is. */
export interface Source {
  readonly file: string
  /** The parsed TOML. */
  readonly tree: unknown
  readonly lineOf: (path: KeyPath) => number | null
}

/** The error for the problem that stands first in the file: people mend a file from the top. */
export function firstProblem(problems: readonly Problem[], source: Source): UserError | null {
  const line = ({ path }: Problem) => source.lineOf(path) ?? Number.MAX_SAFE_INTEGER
  const [first] = problems.toSorted((a, b) => line(a) - line(b))
  return first === undefined ? null : problemError(first, source)
}

/** Where a key stands: `file:line`, or the file alone when it has no line. */
export function placeOf(path: KeyPath, { file, lineOf }: Pick<Source, 'file' | 'lineOf'>): string {
  const line = lineOf(path)
  return line === null ? file : `${file}:${line}`
}

function problemError({ path, message }: Problem, source: Source): UserError {
  const [what = '', todo = ''] = message.split(/; (.*)/s)
  const value = valueAt(source.tree, path)
  const words: Record<string, string> = {
    $setting: `${showKey(path)} = ${showValue(value)}`,
    $key: String(path.at(-1)),
  }
  return configInvalid({
    problem: what.replace(/\$(setting|key)/g, (word) => words[word] ?? word),
    place: placeOf(path, source),
    table: showTable(isTable(value) ? path : path.slice(0, -1)),
    todo,
  })
}

function valueAt(tree: unknown, path: KeyPath): unknown {
  return path.reduce((value, key) => (value as Record<string | number, unknown> | undefined)?.[key], tree)
}

function showKey(path: KeyPath): string {
  const last = path.at(-1) ?? ''
  return typeof last === 'number' ? `${path.at(-2)}[${last}]` : tomlKey(last)
}

/** The header that a table has or could have: `[profile.rt]`; for one in a list `[[domain]]`, and `[[domain]] nics`. */
function showTable(path: KeyPath): string | null {
  const [first, second, ...rest] = path.map((key) => (typeof key === 'number' ? key : tomlKey(key)))
  if (first === undefined) return null
  if (typeof second !== 'number')
    return `[${[first, ...(second === undefined ? [] : [second]), ...rest].join('.')}]`
  return [`[[${first}]]`, ...(rest.length === 0 ? [] : [rest.join('.')])].join(' ')
}

/** Long and nested values are cut: a message is one line. */
function showValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
  if (Array.isArray(value)) return value.length === 0 ? '[]' : '[…]'
  if (isTable(value)) return Object.keys(value).length === 0 ? '{}' : '{…}'
  return value instanceof Date ? value.toISOString() : String(value)
}
