import type * as Levenshtein from 'fastest-levenshtein' with { 'resolution-mode': 'import' }
import type * as TomlParser from 'toml-eslint-parser' with { 'resolution-mode': 'import' }
import type YargsParser from 'yargs-parser'

/*
 * Libraries that most launches do not need, loaded when they are first used: evaluating them takes a millisecond of
 * every launch. In CommonJS, where loading waits for nobody (Node 20.19 requires ES modules, too).
 */

/** Distances between names, for messages. */
function levenshtein(): typeof Levenshtein {
  return require('fastest-levenshtein')
}

/** A parser that knows lines, for messages. */
function tomlParser(): typeof TomlParser {
  return require('toml-eslint-parser')
}

/** A parser of options; the entry for browsers is the one that reads neither files nor the environment. */
function yargsParser(): typeof YargsParser {
  return require('yargs-parser/browser').default
}

export = { levenshtein, tomlParser, yargsParser }
