import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"

[profile.pinned]
vcpus = { cpus = "auto" }
emulator = { cpus = "housekeeping" }

[profile.fifo]
vcpus = { cpus = "auto", policy = "fifo", priority = 5 }
emulator = { cpus = "housekeeping" }
`

export interface Form {
  readonly name: 'best-effort' | 'pinned' | 'fifo-throttled' | 'fifo'
  readonly profile: string | null
  readonly isThrottled: boolean
  readonly load: LoadName
}

/**
 * `free`: loops that the scheduler puts where it likes, and so takes away from a real-time vCPU. `bound`: as many on each
 * CPU, which cannot leave: where the kernel has a fair server (/sys/kernel/debug/sched/fair_server; seen on 6.18) those may
 * get their part of a CPU that is not isolated, whatever throttling says.
 */
export type LoadName = 'free' | 'bound'

export const FORMS: readonly Form[] = (['free', 'bound'] as const).flatMap((load) => [
  { name: 'best-effort', profile: null, isThrottled: true, load },
  { name: 'pinned', profile: 'pinned', isThrottled: true, load },
  { name: 'fifo-throttled', profile: 'fifo', isThrottled: true, load },
  { name: 'fifo', profile: 'fifo', isThrottled: false, load },
])

export const LOOPS_PER_CPU = 4

const ALL_CPUS = cpus().length

/** Loops of sh and nothing that would have to be installed: the same load everywhere. jitter ends it by its process group. */
export const LOADS: Readonly<Record<LoadName, string>> = {
  free: `for loop in $(seq ${ALL_CPUS * LOOPS_PER_CPU}); do while :; do :; done & done; wait`,
  bound:
    `for cpu in $(seq 0 ${ALL_CPUS - 1}); do for loop in $(seq ${LOOPS_PER_CPU}); do ` +
    "taskset -c $cpu sh -c 'while :; do :; done' & done; done; wait",
}

/** @returns path of a configuration with the profiles */
export function writeConfig(scratch: string): string {
  const config = join(scratch, 'qemu-rt.toml')
  writeFileSync(config, CONFIG)
  return config
}
