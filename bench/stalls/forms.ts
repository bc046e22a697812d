import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CPU_COUNT, HOUSEKEEPING_CPU, REALTIME_CPU } from './cpus.js'

const CONFIG = `
[host]
housekeeping = "${HOUSEKEEPING_CPU}"
realtime = "${REALTIME_CPU}"

[profile.pinned]
vcpus = { cpus = "auto" }
emulator = { cpus = "housekeeping" }

[profile.fifo]
vcpus = { cpus = "auto", policy = "fifo", priority = 5 }
emulator = { cpus = "housekeeping" }
`

export interface Form {
  readonly name: string
  readonly profile: 'pinned' | 'fifo' | null
  /** Whether the kernel throttles real-time threads. */
  readonly isThrottled: boolean
  /** Whether the scheduler's balancing leaves the vCPU's CPU alone, as on a host that was booted for real-time VMs. */
  readonly isIsolated: boolean
}

export const FORMS: readonly Form[] = [
  { name: 'best effort', profile: null, isThrottled: true, isIsolated: false },
  { name: 'pinned, best effort', profile: 'pinned', isThrottled: true, isIsolated: false },
  { name: 'FIFO, throttling on', profile: 'fifo', isThrottled: true, isIsolated: false },
  { name: 'FIFO, throttling off', profile: 'fifo', isThrottled: false, isIsolated: false },
  { name: 'FIFO, throttling on, CPU isolated', profile: 'fifo', isThrottled: true, isIsolated: true },
  { name: 'FIFO, throttling off, CPU isolated', profile: 'fifo', isThrottled: false, isIsolated: true },
]

export const LOOPS_PER_CPU = 16

/**
 * Busy loops of sh and nothing that would have to be installed: the same load everywhere. Each is a session of its own,
 * so that the scheduler shares a CPU among them and the guest alike, as it does among VMs, which libvirt puts into groups
 * of their own (sched(7), "The autogroup feature"). jitter ends the shell that starts them, and they then end themselves.
 */
export const LOAD =
  `for loop in $(seq ${CPU_COUNT * LOOPS_PER_CPU}); do ` +
  "setsid sh -c 'while kill -0 $1; do :; done 2>/dev/null' loop $$ & done; wait"

/** @returns path of a configuration with the profiles */
export function writeConfig(scratch: string): string {
  const config = join(scratch, 'qemu-rt.toml')
  writeFileSync(config, CONFIG)
  return config
}
