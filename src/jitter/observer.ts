import type { Thread } from '../tune/threads.js'
import type { JitterResult } from './result.js'

/** A guest that measures, as those who look at the host beside it need to know it. */
export interface Watched {
  /** QEMU's. */
  readonly pid: number
  /** The vCPUs that measure, and their threads as they were placed. Empty when no thread was found. */
  readonly vcpus: readonly { readonly number: number; readonly thread: Thread }[]
  /** The shell command that runs beside the guest; null for none. */
  readonly load: string | null
  /** How long is measured. */
  readonly seconds: number
}

/** Looks at the host around a measurement, on the CPUs of the vCPUs that measure. Errors end the measurement. */
export interface Observer {
  /** The vCPUs are placed and the load runs; the first record that counts begins after this has returned. */
  readonly before?: (watched: Watched) => void | Promise<void>
  /** The last record has come; QEMU and the load still run. @returns what is added to the result */
  readonly after?: Finish
  /** QEMU has been ended and its CPUs are free; the load still runs. @returns what is added to the result */
  readonly alone?: Finish
  /** However the measurement ends, after all of these, also when this program is told to end. It can be called again. */
  readonly end?: () => void
}

type Finish = (
  watched: Watched,
  result: JitterResult,
) => Partial<JitterResult> | Promise<Partial<JitterResult>>

/** Adds to a result what each observer says at this moment; a later one gets what earlier ones have added. */
export async function finish(
  observers: readonly Observer[] = [],
  moment: 'after' | 'alone',
  watched: Watched,
  result: JitterResult,
): Promise<JitterResult> {
  let whole = result
  for (const observer of observers) whole = { ...whole, ...(await observer[moment]?.(watched, whole)) }
  return whole
}
