import * as v from 'valibot'
import { didYouMean } from '../errors/nearest.js'
import { cpuListOf } from './cpus.js'
import type { InterruptPolicy } from './policy.js'
import { parsed, table, wholeNumber } from './values.js'

const NAMES = ['housekeeping', 'vcpu'] as const

/** CPUs for interrupts: a list, or a name that stands for one. */
const interruptCpus = parsed(
  (value): InterruptPolicy['cpus'] => NAMES.find((name) => name === value) ?? cpuListOf(value),
  (value) => {
    const near = typeof value === 'string' ? didYouMean(value, NAMES) : null
    return `$setting is not a list of CPUs; ${near ?? 'write "0-3,8" or the like, or one of "housekeeping", "vcpu"'}`
  },
)

/** Where the interrupts of assigned devices go, of a profile or of one NIC. */
export const interrupts = v.pipe(
  table({
    cpus: v.optional(interruptCpus),
    // Of the interrupt's thread, which is FIFO, on PREEMPT_RT (kernel/irq/manage.c, sched_set_fifo: 50 without this).
    priority: v.optional(wholeNumber(1, 99)),
  }),
  v.check(
    ({ cpus, priority }) => cpus !== undefined || priority !== undefined,
    '$setting says nothing; write { cpus = "housekeeping" } or { priority = 50 }, or leave interrupts out',
  ),
  v.transform((given): InterruptPolicy => ({ cpus: given.cpus ?? null, priority: given.priority ?? null })),
)
