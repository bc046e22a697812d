import { EMPTY_POLICY } from '../../src/config/load.js'
import { launchLine } from '../../src/launch/line.js'
import { plannerFor } from '../../src/launch/prepare.js'
import { readRequest } from '../../src/plan/request.js'
import type { Plot } from '../common/plot.js'
import { makeProcessTimer } from '../common/process-timer.js'
import { EMULATOR_ENTRY, PATH, withoutConfiguration } from '../common/project.js'
import { madeCommandLine } from './command-line.js'
import { measureCurves } from './curves.js'
import { EMULATOR } from './launches.js'

/** What one sample plans in this process: below that the clock would be in it. */
const LEAST_OPTIONS = 2000

/** Time over the options of a command line: to plan it, and for the whole launch. */
export async function overOptions(scratch: string, counts: readonly number[], rounds: number): Promise<Plot> {
  const lines = counts.map((n) => ({ n, args: madeCommandLine(n) }))
  const env = { PATH, QEMU_RT_EMULATOR: EMULATOR, ...withoutConfiguration(scratch) }
  const launches = lines.map(({ n, args }) => {
    return { n, ...makeProcessTimer({ command: [EMULATOR_ENTRY, ...args], env }) }
  })
  try {
    const curves = await measureCurves(
      [
        ...lines.map(({ n, args }) => ({ curve: 'planner alone', n, run: async () => planMs(n, args) })),
        ...launches.map(({ n, run }) => ({ curve: 'whole launch', n, run })),
      ],
      rounds,
    )
    return { title: 'Options of a command line', x: 'options', y: 'ms', curves }
  } finally {
    for (const { stop } of launches) stop()
  }
}

/** Milliseconds to plan a command line in this process, where the planner is compiled already. */
function planMs(options: number, args: readonly string[]): number {
  const times = Math.max(1, Math.ceil(LEAST_OPTIONS / options))
  // A launch begins without what others left behind.
  globalThis.gc?.()
  const began = performance.now()
  for (let time = 0; time < times; time++) plan(args)
  return (performance.now() - began) / times
}

/** What a launch does between reading its arguments and printing the line of sh. */
function plan(args: readonly string[]): void {
  const request = readRequest({ entry: 'qemu-rt-system-x86_64', args, env: {}, hostArch: process.arch })
  const { words, changes } = plannerFor(request, EMPTY_POLICY)([])
  if (changes.length === 0)
    throw new Error('the made command line has private memory, and nothing was changed')
  launchLine({ chain: [], emulator: EMULATOR, words, positionals: args.length, unset: [], set: {} })
}
