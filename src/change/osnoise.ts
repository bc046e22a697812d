import { rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listDirectory, readAttribute } from '../host/sysfs.js'

/** What rtla sets for the whole kernel (Linux tools/tracing/rtla/src/osnoise.c, osnoise_apply_config). A period is never shorter than its runtime. */
const VALUES = [
  'osnoise/cpus',
  'osnoise/period_us',
  'osnoise/runtime_us',
  'osnoise/stop_tracing_us',
  'osnoise/stop_tracing_total_us',
  'tracing_thresh',
] as const

/** Words of which each is written by itself (kernel/trace/trace_osnoise.c, osnoise_options_write); since Linux 6.3. */
const OPTIONS = 'osnoise/options'

/** The trace buffer that rtla makes for itself (osnoise_top.c, osnoise_init_top). */
const INSTANCE = 'osnoise_top'

/**
 * Remembers how the osnoise tracer is set, for when rtla is ended before it has put that back itself.
 * @param tracefs its directory
 * @returns puts it back; gives the names of what could not be
 */
export function keepOsnoise(tracefs: string): () => string[] {
  const read = (name: string) => readAttribute(join(tracefs, name))
  const instances = () => listDirectory(join(tracefs, 'instances')) ?? []
  const before = VALUES.map((name) => ({ name, value: read(name) }))
  const options = read(OPTIONS)
  const hadInstance = instances().includes(INSTANCE)
  const isDifferent = ({ name, value }: (typeof before)[number]) => value !== null && read(name) !== value
  const putBack = () => {
    if (!hadInstance && instances().includes(INSTANCE))
      attempt(() => rmdirSync(join(tracefs, 'instances', INSTANCE)))
    if (options !== null && read(OPTIONS) !== options)
      for (const word of options.split(' ')) attempt(() => writeFileSync(join(tracefs, OPTIONS), word))
    for (const { name, value } of before.filter(isDifferent))
      attempt(() => writeFileSync(join(tracefs, name), value ?? ''))
  }
  return () => {
    // Twice, since a period may have to wait for its runtime.
    putBack()
    putBack()
    return [
      ...before.filter(isDifferent).map(({ name }) => name),
      ...(read(OPTIONS) === options ? [] : [OPTIONS]),
      ...(!hadInstance && instances().includes(INSTANCE) ? [`instances/${INSTANCE}`] : []),
    ]
  }
}

/** What cannot be done is seen afterwards. */
function attempt(work: () => void): void {
  try {
    work()
  } catch {
    // Told by who looks.
  }
}
