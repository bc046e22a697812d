import { parseArgs } from 'node:util'

export const HELP = `Usage: npm run bench -- [options]

  --quick       few repetitions: to see that it works, not to quote
  --only NAME   only this section; repeatable
  --out DIR     where results.txt, results.json and the plots go (default: .bench)
  --help
`

/** What is asked for, or why that cannot be told. */
export type Arguments =
  | {
      readonly kind: 'run'
      readonly quick: boolean
      /** Sections by name; none means all. */
      readonly only: readonly string[]
      readonly out: string
    }
  | { readonly kind: 'help' }
  | { readonly kind: 'mistake'; readonly message: string }

/** Reads the command line. */
export function readArguments(args: readonly string[], sections: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
        out: { type: 'string', default: '.bench' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return { kind: 'help' }
    const unknown = values.only.find((name) => !sections.includes(name))
    if (unknown !== undefined) {
      return { kind: 'mistake', message: `no section '${unknown}'; there are: ${sections.join(', ')}` }
    }
    return { kind: 'run', quick: values.quick, only: values.only, out: values.out }
  } catch (error) {
    return { kind: 'mistake', message: error instanceof Error ? error.message : String(error) }
  }
}
