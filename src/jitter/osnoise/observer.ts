import { findTracefs, type OsnoiseSums, startOsnoise } from '../../change/osnoise.js'
import { report } from '../../report/output.js'
import { unionCpuSets } from '../../units/cpu-set.js'
import type { Observer } from '../observer.js'
import { COLUMNS, type Column, type ColumnId, longestPossible, parseColumn, triggersFor } from './columns.js'

/** What the osnoise tracer has told of the CPUs of the vCPUs, or why it has not. */
export interface OsnoiseReport {
  readonly cpus: readonly { readonly cpu: number; readonly columns: readonly Column[] }[]
  /** null when it was read. */
  readonly notRead: string | null
}

/** Has the osnoise tracer tell how long what takes the vCPUs' CPUs. */
export function osnoiseObserver(): Observer {
  let sums: OsnoiseSums | null = null
  let why = 'no vCPU’s thread was found'
  let began = 0
  const end = () => {
    const left = sums?.end() ?? []
    sums = null
    if (left.length > 0) report(`tracing was not put back: ${left.join(', ')}`)
  }
  return {
    before: ({ vcpus }) => {
      if (vcpus.length === 0) return
      const tracefs = findTracefs()
      const cpus = unionCpuSets(...vcpus.map(({ thread }) => thread.cpus))
      began = clock()
      const started =
        tracefs === null
          ? { why: 'the kernel’s tracers cannot be read (root, /sys/kernel/tracing)' }
          : startOsnoise(tracefs, cpus, triggersFor(vcpus.map(({ thread }) => thread.tid)))
      if ('why' in started) why = started.why
      else sums = started
    },
    after: ({ vcpus }) => {
      const texts = Object.entries(COLUMNS).map(
        ([id, { event }]) => [id as ColumnId, sums?.read(event) ?? ''] as const,
      )
      const limit = longestPossible(began, clock() - began)
      const isStarted = sums !== null
      end()
      if (!isStarted) return { osnoise: { cpus: [], notRead: why } }
      const cpus = unionCpuSets(...vcpus.map(({ thread }) => thread.cpus)).map((cpu) => ({
        cpu,
        columns: texts.flatMap(([id, text]) => parseColumn(id, text, cpu, limit) ?? []),
      }))
      const isWhole = cpus.every(({ columns }) => columns.length === texts.length)
      return {
        osnoise: isWhole
          ? { cpus, notRead: null }
          : { cpus: [], notRead: 'the kernel’s sums are not understood' },
      }
    },
    end,
  }
}

/** CLOCK_MONOTONIC, in nanoseconds. */
function clock(): number {
  return Number(process.hrtime.bigint())
}
