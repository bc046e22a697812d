import { existsSync } from 'node:fs'
import { max, median, min } from 'simple-statistics'
import { inTurn } from '../common/in-turn.js'
import { makeProcessTimer } from '../common/process-timer.js'
import { isRoot, withScratch } from '../common/project.js'
import type { Aim, Measured, Section } from '../common/section.js'
import { tunersEnded } from '../common/tuners.js'
import { type Form, launchForms } from './forms.js'

export const launchSection: Section = {
  name: 'launch',
  title: 'Launch: from the entry until QEMU would run',
  obstacle: () => {
    if (!isRoot()) return 'a configuration that others than root can write is refused: run it as root'
    return existsSync('/usr/bin/python3') && existsSync('/bin/bash')
      ? null
      : 'the wrappers to compare with need /usr/bin/python3 and /bin/bash: apt install python3 bash'
  },
  measure: ({ quick }) => withScratch((scratch) => measure(scratch, quick ? 3 : 100)),
}

interface Row extends Pick<Form, 'what' | 'wrapper'> {
  readonly medianMs: number
  readonly leastMs: number
  readonly worstMs: number
}

async function measure(scratch: string, rounds: number): Promise<Measured> {
  const timers = launchForms(scratch).map((form) => ({ form, ...makeProcessTimer(form) }))
  try {
    const samples = await inTurn(timers, rounds, async ({ run }) => {
      const took = await run()
      await tunersEnded()
      return took
    })
    const rows = timers.map(({ form: { what, wrapper } }, index): Row => {
      const times = samples[index] ?? []
      return { what, wrapper, medianMs: median(times), leastMs: min(times), worstMs: max(times) }
    })
    return { figures: { rounds, rows }, tables: [table(rows)], aims: aims(rows) }
  } finally {
    for (const { stop } of timers) stop()
  }
}

const TITLES = {
  floor: 'the executable and its modules, no plan',
  probe: "libvirt's probe",
  guest: 'a guest',
  planned: 'a guest with profile, NIC and lease',
}

const WRAPPERS: Readonly<Record<Form['wrapper'], string>> = {
  direct: 'no wrapper',
  sh: 'sh, passes everything on',
  bash: 'bash, edits one option',
  python: 'Python, rewrites memory',
  'python-plan': 'Python, plans as much',
  'no-plan': "qemu-rt's programs, no plan",
  executable: 'qemu-rt',
  node: 'qemu-rt, planner run by Node',
}

function table(rows: readonly Row[]) {
  return [
    ['started with', 'wrapper', 'median ms', 'least', 'above no wrapper', 'to Python', '… that plans'],
    ...rows.map((row) => [
      TITLES[row.what],
      WRAPPERS[row.wrapper],
      row.medianMs.toFixed(2),
      row.leastMs.toFixed(2),
      row.what === 'floor' ? '' : above(rows, row).toFixed(2),
      row.what === 'probe' || row.what === 'floor' ? '' : ratio(row, of(rows, 'guest', 'python')),
      row.what === 'planned' ? ratio(row, of(rows, 'planned', 'python-plan')) : '',
    ]),
  ]
}

function ratio(row: Row, other: Row): string {
  return (row.medianMs / other.medianMs).toFixed(2)
}

function of(rows: readonly Row[], what: Row['what'], wrapper: Row['wrapper']): Row {
  const found = rows.find((row) => row.what === what && row.wrapper === wrapper)
  if (found === undefined) throw new Error(`${what} with ${wrapper} was not measured`)
  return found
}

/** What a wrapper adds to starting QEMU without one. */
function above(rows: readonly Row[], row: Row): number {
  return row.medianMs - of(rows, row.what === 'probe' ? 'probe' : 'guest', 'direct').medianMs
}

function aims(rows: readonly Row[]): Aim[] {
  const probe = of(rows, 'probe', 'executable').medianMs / of(rows, 'probe', 'sh').medianMs
  return [
    ...toPython(rows, 'guest', 'python'),
    ...toPython(rows, 'planned', 'python'),
    ...toPython(rows, 'planned', 'python-plan'),
    {
      what: "libvirt's probe to the sh wrapper, whole process",
      measured: probe.toFixed(2),
      wanted: 'at most 1.1',
      met: probe <= 1.1,
    },
  ]
}

/** What a launch is to be beside a wrapper in Python: one that rewrites memory does less than a launch with everything. */
function toPython(rows: readonly Row[], what: 'guest' | 'planned', wrapper: 'python' | 'python-plan'): Aim[] {
  const launch = of(rows, what, 'executable')
  const python = of(rows, wrapper === 'python' ? 'guest' : 'planned', wrapper)
  const added = above(rows, launch) / above(rows, python)
  const whole = launch.medianMs / python.medianMs
  return [
    {
      what: `${TITLES[what]}: what it adds, to what "${WRAPPERS[wrapper]}" adds`,
      measured: added.toFixed(2),
      wanted: 'at most 0.5 (10 ms where Python takes 20)',
      met: added <= 0.5,
    },
    {
      what: `${TITLES[what]}: whole process, to "${WRAPPERS[wrapper]}"`,
      measured: whole.toFixed(2),
      wanted: 'below 0.5',
      met: whole < 0.5,
    },
  ]
}
