import { existsSync } from 'node:fs'
import { DEFAULT_CONFIG_PATH } from '../../src/config/policy.js'
import type { Plot } from '../common/plot.js'
import { isRoot, withScratch } from '../common/project.js'
import type { Measured, Section } from '../common/section.js'
import { overAtOnce } from './at-once.js'
import { overDevices } from './devices.js'
import { overOptions } from './options.js'
import { aims, figures, growthTable, pointsTable } from './report.js'
import { overRunning } from './running.js'

/** How far each curve goes, and how often each of its points is measured. */
interface Extent {
  readonly counts: readonly number[]
  readonly rounds: number
}

type Extents = Readonly<Record<'options' | 'devices' | 'running' | 'atOnce', Extent>>

const FULL: Extents = {
  options: { counts: [10, 100, 1000, 10_000], rounds: 15 },
  devices: { counts: [10, 100, 1000, 4000], rounds: 15 },
  running: { counts: [1, 10, 100, 500], rounds: 25 },
  atOnce: { counts: [1, 10, 30, 100, 300], rounds: 3 },
}

const QUICK: Extents = {
  options: { counts: [10, 100, 1000], rounds: 3 },
  devices: { counts: [10, 100, 1000], rounds: 3 },
  running: { counts: [1, 10, 50], rounds: 3 },
  atOnce: { counts: [1, 10, 30], rounds: 1 },
}

export const scaleSection: Section = {
  name: 'scale',
  title: 'Scale: options, devices, VMs, launches at once',
  obstacle: () =>
    isRoot() || !existsSync(DEFAULT_CONFIG_PATH)
      ? null
      : 'a configuration that others than root can write is refused: run it as root',
  measure: ({ quick }) => withScratch((scratch) => measure(scratch, quick ? QUICK : FULL)),
}

async function measure(scratch: string, { options, devices, running, atOnce }: Extents): Promise<Measured> {
  const plots: readonly Plot[] = [
    await overOptions(scratch, options.counts, options.rounds),
    await overDevices(scratch, devices.counts, devices.rounds),
    await overRunning(scratch, running.counts, running.rounds),
    await overAtOnce(scratch, atOnce.counts, atOnce.rounds),
  ]
  return {
    figures: figures(plots),
    tables: [pointsTable(plots), growthTable(plots)],
    aims: aims(plots),
    plots,
  }
}
