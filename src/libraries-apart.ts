import type libraries from './libraries.cjs'

/*
 * What the executable has in place of libraries.cts: they are in a module of their own (build.mjs). In one with the planner every
 * launch would read them.
 */

type Libraries = typeof libraries

/** Bun's, which waits for nobody either (bun.sh/docs/runtime/modules). */
interface WithRequire {
  readonly require: (path: string) => { readonly default: Libraries }
}

function apart(): Libraries {
  const { require } = import.meta as unknown as WithRequire
  return require(`${import.meta.dirname}/qemu-rt-libraries.js`).default
}

const apartFromPlanner: Libraries = {
  levenshtein: () => apart().levenshtein(),
  tomlParser: () => apart().tomlParser(),
  yargsParser: () => apart().yargsParser(),
}

export default apartFromPlanner
