import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { max, median } from 'simple-statistics'
import { isRoot, withScratch } from '../common/project.js'
import type { Aim, Measured, Section, Table } from '../common/section.js'
import { afterLaunchForms, EMULATOR, type Form } from './forms.js'
import { type Look, lookAfterLaunch } from './look.js'

/** What is there besides QEMU once a VM runs, and what QEMU itself was left with. */
export const afterLaunchSection: Section = {
  name: 'after-launch',
  title: 'After launch: what a wrapper leaves behind for each VM',
  obstacle: () => {
    if (!existsSync(EMULATOR)) return `there is no ${EMULATOR}: apt install qemu-system-x86`
    if (!existsSync('/usr/bin/python3'))
      return 'the wrapper to compare with needs /usr/bin/python3: apt install python3'
    if (!isRoot()) return "a vCPU's thread is made real-time: run it as root"
    return cpus().length >= 2 ? null : 'a vCPU gets a CPU of its own: run it where there are two or more'
  },
  measure: ({ quick }) => withScratch((scratch) => measure(scratch, quick ? 1 : 3)),
}

interface Row extends Look {
  readonly wrapper: Form['wrapper']
}

async function measure(scratch: string, starts: number): Promise<Measured> {
  const rows: Row[] = []
  for (const form of afterLaunchForms(scratch)) {
    const looks: Look[] = []
    for (let start = 0; start < starts; start++) looks.push(await lookAfterLaunch(form))
    rows.push({ wrapper: form.wrapper, ...worst(looks) })
  }
  return { figures: { starts, rows }, tables: [table(rows, starts)], aims: aims(rows) }
}

/** Of several starts the worst, as nothing is to be left after any; of memory the median, which is never twice the same. */
function worst(looks: readonly Look[]): Look {
  return {
    left: max(looks.map(({ left }) => left)),
    leftPssKib: median(looks.map(({ leftPssKib }) => leftPssKib)),
    isStartedPid: looks.every(({ isStartedPid }) => isStartedPid),
    descriptors: max(looks.map(({ descriptors }) => descriptors)),
  }
}

const WRAPPERS: Readonly<Record<Form['wrapper'], string>> = {
  direct: 'no wrapper',
  'qemu-rt': 'qemu-rt, threads and a lease',
  stay: "Python, stays as QEMU's parent",
}

function table(rows: readonly Row[], starts: number): Table {
  return [
    [
      `wrapper (${starts} starts)`,
      'processes left per VM',
      'their PSS KiB',
      'QEMU has the started PID',
      "QEMU's descriptors",
    ],
    ...rows.map((row) => [
      WRAPPERS[row.wrapper],
      String(row.left),
      String(row.leftPssKib),
      row.isStartedPid ? 'yes' : 'no',
      String(row.descriptors),
    ]),
  ]
}

function aims(rows: readonly Row[]): Aim[] {
  const row = rows.find(({ wrapper }) => wrapper === 'qemu-rt')
  if (row === undefined) throw new Error('qemu-rt was not measured')
  return [
    {
      what: 'processes left per VM with qemu-rt',
      measured: String(row.left),
      wanted: '0',
      met: row.left === 0,
    },
    {
      what: 'memory of processes left per VM with qemu-rt',
      measured: `${row.leftPssKib} KiB`,
      wanted: '0 KiB',
      met: row.leftPssKib === 0,
    },
    {
      what: "QEMU's PID with qemu-rt",
      measured: row.isStartedPid ? 'the one that was started' : 'another',
      wanted: 'the one that was started',
      met: row.isStartedPid,
    },
  ]
}
