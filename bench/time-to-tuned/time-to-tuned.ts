import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { max, median } from 'simple-statistics'
import { inTurn } from '../common/in-turn.js'
import { isRoot, WITH_NODE, withScratch } from '../common/project.js'
import type { Measured, Section, Table } from '../common/section.js'
import { tunersEnded } from '../common/tuners.js'
import { EMULATOR, measureStart, realtimeLaunch, type Start } from './start.js'

/** How long a vCPU's thread runs where and as it is not meant to. */
export const timeToTunedSection: Section = {
  name: 'time-to-tuned',
  title: "Time to tuned: from a vCPU thread's first appearance to its CPU and policy",
  obstacle: () => {
    if (!existsSync(EMULATOR)) return `there is no ${EMULATOR}: apt install qemu-system-x86`
    if (!isRoot()) return "a vCPU's thread is made real-time: run it as root"
    return cpus().length >= 2 ? null : 'a vCPU gets a CPU of its own: run it where there are two or more'
  },
  measure: ({ quick }) => withScratch((scratch) => measure(scratch, quick ? 2 : 30)),
}

/** The forms in which the tuner was built. */
const FORMS = [
  { tuner: 'executable', title: 'executable', more: {} },
  { tuner: 'node', title: 'run by Node', more: WITH_NODE },
] as const

interface Row {
  readonly tuner: (typeof FORMS)[number]['tuner']
  readonly launchToThreadMs: Spread
  readonly threadToTunedMs: Spread
}

interface Spread {
  readonly median: number
  readonly worst: number
}

async function measure(scratch: string, starts: number): Promise<Measured> {
  const { command, env } = realtimeLaunch(scratch)
  const samples = await inTurn(FORMS, starts, async ({ more }) => {
    const start = await measureStart({ command, env: { ...env, ...more } })
    await tunersEnded()
    return start
  })
  const rows = FORMS.map(({ tuner }, index): Row => {
    const of = (key: keyof Start) => spread((samples[index] ?? []).map((start) => start[key]))
    return { tuner, launchToThreadMs: of('launchToThreadMs'), threadToTunedMs: of('threadToTunedMs') }
  })
  return { figures: { starts, rows }, tables: [table(rows, starts)], aims: [] }
}

function spread(times: readonly number[]): Spread {
  return { median: median([...times]), worst: max([...times]) }
}

function table(rows: readonly Row[], starts: number): Table {
  return [
    [
      `tuner (${starts} starts)`,
      'launch to thread ms: median',
      'worst',
      'thread to tuned ms: median',
      'worst',
    ],
    ...rows.map(({ tuner, launchToThreadMs, threadToTunedMs }) => [
      FORMS.find((form) => form.tuner === tuner)?.title ?? tuner,
      launchToThreadMs.median.toFixed(1),
      launchToThreadMs.worst.toFixed(1),
      threadToTunedMs.median.toFixed(1),
      threadToTunedMs.worst.toFixed(1),
    ]),
  ]
}
