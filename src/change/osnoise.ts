import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readProc } from '../host/proc.js'
import { listDirectory, readAttribute } from '../host/sysfs.js'
import { type CpuSet, formatCpuSet } from '../units/cpu-set.js'

/** Where tracefs is, the second by debugfs (Linux Documentation/trace/ftrace.rst). */
const TRACEFS = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing']

export interface Tracefs {
  readonly directory: string
  /** Names of the kernel's tracers. */
  readonly tracers: readonly string[]
}

/** null where tracefs is not mounted, or not this user's to look at. @param directories where it may be */
export function findTracefs(directories: readonly string[] = TRACEFS): Tracefs | null {
  for (const directory of directories) {
    const tracers = readAttribute(join(directory, 'available_tracers'))
    if (tracers !== null) return { directory, tracers: tracers.split(' ') }
  }
  return null
}

/** What rtla sets for the whole kernel (Linux tools/tracing/rtla/src/osnoise.c, osnoise_apply_config). A period is never shorter than its runtime. */
const VALUES = [
  'osnoise/cpus',
  'osnoise/period_us',
  'osnoise/runtime_us',
  'osnoise/stop_tracing_us',
  'osnoise/stop_tracing_total_us',
  'tracing_thresh',
] as const

/** Words of which each is written by itself (kernel/trace/trace_osnoise.c, osnoise_options_write); Linux 6.1 has them. */
const OPTIONS = 'osnoise/options'

/** The trace buffer that rtla makes for itself (osnoise_top.c, osnoise_init_top). */
export const RTLA_INSTANCE = 'osnoise_top'

/**
 * Remembers how the osnoise tracer is set.
 * @param tracefs its directory
 * @param instance the trace buffer that is about to be made
 * @returns puts it back; gives the names of what could not be
 */
export function keepOsnoise(tracefs: string, instance: string): () => string[] {
  const read = (name: string) => readAttribute(join(tracefs, name))
  const instances = () => listDirectory(join(tracefs, 'instances')) ?? []
  const before = VALUES.map((name) => ({ name, value: read(name) }))
  const options = read(OPTIONS)
  const hadInstance = instances().includes(instance)
  const isDifferent = ({ name, value }: (typeof before)[number]) => value !== null && read(name) !== value
  const putBack = () => {
    if (!hadInstance && instances().includes(instance))
      attempt(() => rmdirSync(join(tracefs, 'instances', instance)))
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
      ...(!hadInstance && instances().includes(instance) ? [`instances/${instance}`] : []),
    ]
  }
}

/** Our own trace buffer. */
const INSTANCE = 'qemu-rt-jitter'

/** Tracers that the settings are for, too. */
const USERS = ['osnoise', 'timerlat']

/** The kernel adds up what takes CPUs from the thread that runs there. */
export interface OsnoiseSums {
  /** What it has added up so far, as the kernel writes it (Linux Documentation/trace/histogram.rst), by event; null once it was ended. */
  readonly read: (event: string) => string | null
  /** Puts everything back; gives the names of what could not be. It can be called again. */
  readonly end: () => string[]
}

/**
 * Has the osnoise tracer, without threads of its own, tell how long each interrupt, softirq and thread takes a CPU (Linux
 * Documentation/trace/osnoise-tracer.rst, "Tracer options"), and the kernel add that up, in a trace buffer of its own.
 * @param triggers what is to be added up, by event
 * @returns or why not
 */
export function startOsnoise(
  tracefs: Tracefs,
  cpus: CpuSet,
  triggers: Readonly<Record<string, string>>,
): OsnoiseSums | { readonly why: string } {
  const { directory, tracers } = tracefs
  const options = readAttribute(join(directory, OPTIONS))
  if (!tracers.includes('osnoise')) return { why: 'the kernel has no osnoise tracer (CONFIG_OSNOISE_TRACER)' }
  if (options === null)
    return { why: 'the kernel is too old: its osnoise tracer has no options (Linux 6.1 has them)' }
  const instances = listDirectory(join(directory, 'instances')) ?? []
  const used = ['', ...instances.map((name) => `instances/${name}`)].find((name) =>
    USERS.includes(readAttribute(join(directory, name, 'current_tracer')) ?? ''),
  )
  if (used !== undefined)
    return { why: `somebody traces already: ${join(directory, used, 'current_tracer')}` }
  const own = join(directory, 'instances', INSTANCE)
  if (instances.includes(INSTANCE))
    return {
      why: `${own} is there already; if no jitter runs, one was killed: rmdir ${own}; echo OSNOISE_WORKLOAD >${join(directory, OPTIONS)}`,
    }
  const end = keepOsnoise(directory, INSTANCE)
  try {
    writeFileSync(join(directory, 'osnoise/cpus'), formatCpuSet(cpus))
    writeFileSync(join(directory, OPTIONS), 'NO_OSNOISE_WORKLOAD')
    mkdirSync(own)
    for (const [event, trigger] of Object.entries(triggers))
      writeFileSync(join(own, 'events/osnoise', event, 'trigger'), trigger)
    writeFileSync(join(own, 'current_tracer'), 'osnoise')
  } catch (error) {
    end()
    return { why: `the kernel refuses it: ${error instanceof Error ? error.message : String(error)}` }
  }
  return { read: (event) => readProc(join(own, 'events/osnoise', event, 'hist')), end }
}

/** What cannot be done is seen afterwards. */
function attempt(work: () => void): void {
  try {
    work()
  } catch {
    // Told by who looks.
  }
}
