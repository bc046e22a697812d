import type * as Parser from 'toml-eslint-parser' with { 'resolution-mode': 'import' }

/**
 * The parser that knows lines, loaded when the first line is asked for: evaluating it takes half a millisecond of every
 * launch. In CommonJS, where loading waits for nobody (Node 20.19 requires ES modules, too).
 */
function tomlPositions(): typeof Parser {
  return require('toml-eslint-parser')
}

export = tomlPositions
