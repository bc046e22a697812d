import { parseArgs } from 'node:util'

export const HELP = `Usage: npm run fuzz -- [options]

  --seconds N   how long, for each target (default: 10)
  --runs N      how many inputs, for each target
  --seed N      for the same inputs again (default: chosen and printed)
  --from N      number of the first input (default: 0)
  --only NAME   only this target; repeatable
  --help
`

/** What is asked for, or why that cannot be told. */
export type Arguments =
  | {
      readonly kind: 'run'
      readonly seed: number
      readonly from: number
      readonly runs: number
      readonly seconds: number
      /** Targets by name; none means all. */
      readonly only: readonly string[]
    }
  | { readonly kind: 'help' }
  | { readonly kind: 'mistake'; readonly message: string }

/** Reads the command line. */
export function readArguments(args: readonly string[], targets: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seconds: { type: 'string' },
        runs: { type: 'string' },
        seed: { type: 'string' },
        from: { type: 'string', default: '0' },
        only: { type: 'string', multiple: true, default: [] },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return { kind: 'help' }
    const unknown = values.only.find((name) => !targets.includes(name))
    if (unknown !== undefined) {
      return { kind: 'mistake', message: `no target '${unknown}'; there are: ${targets.join(', ')}` }
    }
    const { runs, seconds = runs === undefined ? '10' : undefined } = values
    const number = (name: string, text: string) => {
      if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} takes a whole number, not '${text}'`)
      return Number(text)
    }
    return {
      kind: 'run',
      seed: values.seed === undefined ? Date.now() % 1e9 : number('seed', values.seed),
      from: number('from', values.from),
      runs: runs === undefined ? Number.POSITIVE_INFINITY : number('runs', runs),
      seconds: seconds === undefined ? Number.POSITIVE_INFINITY : number('seconds', seconds),
      only: values.only,
    }
  } catch (error) {
    return { kind: 'mistake', message: error instanceof Error ? error.message : String(error) }
  }
}
