import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { isRoot, withScratch } from '../common/project.js'
import type { Measured, Section } from '../common/section.js'
import { FORMS, LOADS, writeConfig } from './forms.js'
import { type Accelerator, measureStalls, type Stalls } from './jitter.js'
import { makeRows, stallsAims, stallsTable } from './report.js'
import { throttlingObstacle, withThrottlingRestored } from './throttling.js'

/** How long a busy guest is stopped, without and with what qemu-rt sets. */
export const stallsSection: Section = {
  name: 'stalls',
  title: 'Stalls: the longest time the guest was kept from running',
  obstacle: () => {
    if (!isRoot()) return "a vCPU's thread is made real-time: run it as root"
    if (cpus().length < 2) return 'a vCPU gets a CPU of its own: run it where there are two or more'
    if (!existsSync('/dev/kvm'))
      return 'there is no /dev/kvm: emulated, the guest is not what is wanted to be known'
    return throttlingObstacle()
  },
  measure: ({ quick }) =>
    withScratch((scratch) => measure(scratch, quick ? { repeat: 1, seconds: 2 } : { repeat: 2, seconds: 5 })),
}

interface Effort {
  readonly repeat: number
  readonly seconds: number
}

async function measure(scratch: string, effort: Effort): Promise<Measured> {
  const config = writeConfig(scratch)
  return withThrottlingRestored(async (throttle, stopped) => {
    const run = (accelerator: Accelerator) => measureForms(accelerator, effort, config, throttle, stopped)
    // A guest that KVM does not run, or not each time, reports nothing: all forms are emulated then.
    const { accelerator, samples } = await run('kvm').catch(() => run('tcg'))
    const rows = makeRows(FORMS, samples)
    const figures = { accelerator, ...effort, rows, samples }
    return { figures, tables: [stallsTable(rows, accelerator)], aims: stallsAims(rows) }
  })
}

/** In turn, so that what disturbs the machine disturbs all. No round is for warming up: a run takes seconds to begin with. */
async function measureForms(
  accelerator: Accelerator,
  { repeat, seconds }: Effort,
  config: string,
  throttle: (isOn: boolean) => void,
  stopped: AbortSignal,
) {
  const samples: Stalls[][] = FORMS.map(() => [])
  for (let round = 0; round < repeat; round++) {
    for (const [index, { profile, isThrottled, load }] of FORMS.entries()) {
      throttle(isThrottled)
      const options = { seconds, load: LOADS[load], config, profile, accelerator }
      samples[index]?.push(await measureStalls(options, stopped))
    }
  }
  return { accelerator, samples }
}
