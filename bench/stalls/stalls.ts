import { existsSync } from 'node:fs'
import { isRoot, withScratch } from '../common/project.js'
import type { Measured, Section } from '../common/section.js'
import { CPU_COUNT, IS_ISOLATED_AT_BOOT } from './cpus.js'
import { FORMS, type Form, LOAD, writeConfig } from './forms.js'
import { type HostState, throttlingObstacle, withHostRestored } from './host.js'
import { canIsolate } from './isolation.js'
import { type Accelerator, measureStalls, type Stalls } from './jitter.js'
import { bestForm, hostAims, hostTable, makeHostRow, makeRows, stallsAims, stallsTable } from './report.js'

/** How long a busy guest is stopped, without and with what qemu-rt sets. */
export const stallsSection: Section = {
  name: 'stalls',
  title: 'Stalls: the longest time the guest was kept from running',
  obstacle: () => {
    if (!isRoot()) return "a vCPU's thread is made real-time: run it as root"
    if (CPU_COUNT < 2) return 'a vCPU gets a CPU of its own: run it where there are two or more'
    return throttlingObstacle()
  },
  measure: ({ quick }) =>
    withScratch((scratch) => measure(scratch, quick ? { repeat: 1, seconds: 2 } : { repeat: 3, seconds: 5 })),
}

interface Effort {
  readonly repeat: number
  readonly seconds: number
}

async function measure(scratch: string, effort: Effort): Promise<Measured> {
  const config = writeConfig(scratch)
  // What boot has isolated stays so for all forms.
  const forms = FORMS.filter(({ isIsolated }) => !isIsolated || (!IS_ISOLATED_AT_BOOT && canIsolate()))
  return withHostRestored(async (set, stopped) => {
    const run = (accelerator: Accelerator) =>
      measureForms({ forms, accelerator, config, ...effort }, set, stopped)
    // All forms are emulated where there is no KVM, and where it does not run the guest, which reports nothing then.
    const first = existsSync('/dev/kvm') ? 'kvm' : 'tcg'
    const { accelerator, samples, silentStarts } = await run(first).catch((error: unknown) => {
      if (first === 'tcg' || !(error instanceof GuestIsSilent)) throw error
      return run('tcg')
    })
    const rows = makeRows(forms, samples)
    const figures = {
      ...{ accelerator, ...effort, isIsolatedAtBoot: IS_ISOLATED_AT_BOOT },
      ...{ silentStarts, rows, samples },
    }
    const best = bestForm(forms)
    if (best === null || !HOST_TOOLS.every((path) => existsSync(path)))
      return { figures, tables: [stallsTable(rows, accelerator)], aims: stallsAims(rows) }
    const beside = await measureBeside({ forms: [best], accelerator, config, ...effort }, set, stopped)
    const hostRows = MODES.map((mode, index) => makeHostRow(mode, beside.samples[index] ?? []))
    return {
      figures: { ...figures, beside: { form: best.name, rows: hostRows, ...beside } },
      tables: [stallsTable(rows, accelerator), hostTable(hostRows, best)],
      aims: [...stallsAims(rows), ...hostAims(hostRows)],
    }
  })
}

interface Run extends Effort {
  readonly forms: readonly Form[]
  readonly accelerator: Accelerator
  readonly config: string
}

/** How often in all a guest may report nothing: KVM inside of a VM does not start one each time. */
const MOST_SILENT_STARTS = 4

class GuestIsSilent extends Error {}

/** How a form is measured. */
interface Task {
  readonly form: Form
  readonly mode: 'spin' | 'timer'
  readonly isFloored: boolean
}

const MODES = ['spin', 'timer'] as const

/** What measures the host (Debian: rt-tests). */
const HOST_TOOLS = ['/usr/bin/oslat', '/usr/bin/cyclictest']

function measureForms({ forms, ...run }: Run, set: (state: HostState) => void, stopped: AbortSignal) {
  return measureInTurn(
    forms.map((form) => ({ form, mode: 'spin', isFloored: false })),
    run,
    set,
    stopped,
  )
}

/** The guest of one form beside its host, in both modes. */
function measureBeside({ forms, ...run }: Run, set: (state: HostState) => void, stopped: AbortSignal) {
  const tasks = forms.flatMap((form) => MODES.map((mode) => ({ form, mode, isFloored: true })))
  return measureInTurn(tasks, run, set, stopped)
}

/** In turn, so that what disturbs the machine disturbs all. No round is for warming up: a run takes seconds to begin with. */
async function measureInTurn(
  tasks: readonly Task[],
  { accelerator, config, repeat, seconds }: Omit<Run, 'forms'>,
  set: (state: HostState) => void,
  stopped: AbortSignal,
) {
  const samples: Stalls[][] = tasks.map(() => [])
  let silentStarts = 0
  for (let round = 0; round < repeat; round++) {
    for (const [index, { form, mode, isFloored }] of tasks.entries()) {
      set(form)
      for (let sample: Stalls | null = null; sample === null; ) {
        const how = { mode, isFloored, seconds, load: LOAD, config, accelerator }
        sample = await measureStalls({ ...form, ...how }, stopped)
        if (sample === null && ++silentStarts > MOST_SILENT_STARTS)
          throw new GuestIsSilent(`a guest reported nothing, ${silentStarts} times`)
        if (sample !== null) samples[index]?.push(sample)
      }
    }
  }
  return { accelerator, samples, silentStarts }
}
