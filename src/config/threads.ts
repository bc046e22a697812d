import * as v from 'valibot'
import { cpuChoice, cpuList, realtimeMask } from './cpus.js'
import type { SchedPolicy, ThreadProfile, VcpuProfile } from './policy.js'
import { isTable, names, oneOf, table, wholeNumber } from './values.js'

/** sched(7). */
const POLICIES = ['other', 'batch', 'idle', 'fifo', 'rr'] as const satisfies readonly SchedPolicy[]

/**
 * A real-time thread without a priority gets the lowest, as Nova's and libvirt's users have it: it is above every
 * best-effort thread and below the kernel's own real-time threads.
 */
const DEFAULT_PRIORITY = 1

const scheduling = {
  policy: v.optional(oneOf(POLICIES)),
  // For fifo and rr only.
  priority: v.optional(wholeNumber(1, 99)),
}

const threadKeys = { cpus: v.optional(cpuChoice), ...scheduling }

/** CPUs and scheduling of one kind of thread. */
export const thread = v.pipe(
  table(threadKeys),
  v.forward(
    v.check((given) => hasEffect(given, 'priority'), noEffect('priority')),
    ['priority'],
  ),
  v.transform((given): ThreadProfile => ({ cpus: given.cpus ?? null, ...withPriority(given) })),
)

const cpusByVcpu = names(cpuList, {
  isName: (name) => /^(0|[1-9]\d*)$/.test(name),
  notName: '\'$key\' is not the number of a vCPU; write { 0 = "4", 1 = "5" } or the like',
})

/** vCPU threads: also one set a vCPU, and vCPUs that stay best-effort. */
export const vcpus = v.pipe(
  table({
    cpus: v.optional(
      v.lazy((input): typeof cpusByVcpu | typeof cpuChoice => (isTable(input) ? cpusByVcpu : cpuChoice)),
    ),
    ...scheduling,
    // Nova's notation: the vCPUs that are not real-time.
    'realtime-mask': v.optional(realtimeMask),
    // CPUs for vCPUs that can be plugged later: from the start, or when `qemu-rt tune` finds them plugged.
    hotplug: v.optional(oneOf(['lease', 'later'])),
  }),
  v.forward(
    v.check((given) => hasEffect(given, 'priority'), noEffect('priority')),
    ['priority'],
  ),
  v.forward(
    v.check((given) => hasEffect(given, 'realtime-mask'), noEffect('realtime-mask')),
    ['realtime-mask'],
  ),
  v.transform(
    (given): VcpuProfile => ({
      cpus: given.cpus ?? null,
      ...withPriority(given),
      realtimeMask: given['realtime-mask'] ?? null,
      hotplug: given.hotplug ?? 'lease',
    }),
  ),
)

const threadById = names(thread, {
  notTable: '$setting is not a table; write { cpus = "…" }',
  isName: (name) => !Object.hasOwn(threadKeys, name),
  notName: "'$key' stands among I/O thread ids; write one table for all I/O threads, or one for each id",
})

/** I/O threads: one table for all of them, or one by id. */
export const iothreads = v.lazy((input): typeof threadById | typeof thread =>
  isById(input) ? threadById : thread,
)

function isById(input: unknown): boolean {
  return (
    isTable(input) &&
    Object.entries(input).some(([key, value]) => isTable(value) && !Object.hasOwn(threadKeys, key))
  )
}

interface Scheduling {
  readonly policy?: SchedPolicy | undefined
  readonly priority?: number | undefined
  readonly 'realtime-mask'?: string | undefined
}

function isRealtime(policy: SchedPolicy | undefined): boolean {
  return policy === 'fifo' || policy === 'rr'
}

function hasEffect(given: Scheduling, key: keyof Scheduling): boolean {
  return given[key] === undefined || isRealtime(given.policy)
}

function noEffect(key: keyof Scheduling): string {
  return `$setting has no effect without a real-time policy; add policy = "fifo" or "rr", or leave ${key} out`
}

function withPriority({ policy, priority }: Scheduling): Pick<ThreadProfile, 'policy' | 'priority'> {
  return { policy: policy ?? null, priority: priority ?? (isRealtime(policy) ? DEFAULT_PRIORITY : null) }
}
