import { parse, TomlError } from 'smol-toml'
import * as v from 'valibot'
import { configSyntax } from '../errors/config.js'
import { configuration, type Settings } from './configuration.js'
import { lineFinder } from './place.js'
import type { Policy } from './policy.js'
import { firstProblem, type Problem, placeOf } from './problem.js'
import { findUnknownProfiles } from './references.js'

/**
 * Reads a configuration.
 * @param text TOML
 * @param file its name, for messages
 * @throws {UserError} exit 78 with file and line, for what stands first in the file
 */
export function parsePolicy(text: string, file: string): Policy {
  const toml = text.replace(/^\ufeff/, '')
  const tree = parseToml(toml, file)
  const lineOf = lineFinder(toml)
  const { settings, problems } = checkTree(tree)
  const error = firstProblem(problems, { file, tree, lineOf })
  if (error !== null) throw error
  return { ...settings, place: (path) => placeOf(path, { file, lineOf }) }
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const { line, column } = error
    throw configSyntax({ file, line, column, reason: syntaxReason(error) })
  }
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
