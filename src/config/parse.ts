import { parse, TomlError } from 'smol-toml'
import * as v from 'valibot'
import { configBeyondBounds, configSyntax } from '../errors/config.js'
import { configuration, type Settings } from './configuration.js'
import { lineFinder } from './place.js'
import type { Policy } from './policy.js'
import { firstProblem, type Problem, placeOf } from './problem.js'
import { findUnknownProfiles } from './references.js'
import { isTable } from './values.js'

const MAX_LENGTH = 1 << 20

/** `[profile.rt] vcpus.cpus` is four deep. */
const MAX_DEPTH = 16

/** A thousand pools of NICs, domains and rules have a tenth of it. */
const MAX_VALUES = 65_536

/**
 * Reads a configuration: at most 1 MiB, 16 tables and lists deep, 65,536 keys and values.
 * @param text TOML
 * @param file its name, for messages
 * @throws {UserError} exit 78 with file and line, for what stands first in the file
 */
export function parsePolicy(text: string, file: string): Policy {
  const beyond = (problem: string) => configBeyondBounds({ file, problem })
  if (text.length > MAX_LENGTH) throw beyond('is longer than 1 MiB')
  const toml = text.replace(/^\ufeff/, '')
  const tree = parseToml(toml, file)
  const problem = problemOfSize(tree)
  if (problem !== null) throw beyond(problem)
  const lineOf = lineFinder(toml)
  const { settings, problems } = checkTree(tree)
  const error = firstProblem(problems, { file, tree, lineOf })
  if (error !== null) throw error
  return { ...settings, place: (path) => placeOf(path, { file, lineOf }) }
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text, { maxDepth: MAX_DEPTH })
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const { line, column } = error
    // smol-toml says so of brackets alone, which it reads by calling itself.
    if (/nested/.test(error.message)) throw configBeyondBounds({ file, line, column, problem: TOO_DEEP })
    throw configSyntax({ file, line, column, reason: syntaxReason(error) })
  }
}

const TOO_DEEP = `nests deeper than ${MAX_DEPTH} tables and lists`

/** Before each value is looked at: keys with dots nest, too. */
function problemOfSize(tree: unknown): string | null {
  let count = 0
  let level = [tree]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return TOO_DEEP
    level = level.flatMap((value) => (isTable(value) || Array.isArray(value) ? Object.values(value) : []))
    count += level.length
    if (count > MAX_VALUES) return `has more than ${MAX_VALUES} keys and values`
  }
  return null
}

/** smol-toml's message is `Invalid TOML document: reason` and, after an empty line, the lines in question. */
function syntaxReason({ message }: TomlError): string {
  return (message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '')
}

function checkTree(tree: unknown): { readonly settings: Settings; readonly problems: readonly Problem[] } {
  const { typed, output, issues = [] } = v.safeParse(configuration, tree)
  if (typed) return { settings: output, problems: findUnknownProfiles(output) }
  const problems = issues.map(({ path = [], message }) => ({
    path: path.map(({ key }) => key as string | number),
    message,
  }))
  return { settings: v.parse(configuration, {}), problems }
}
