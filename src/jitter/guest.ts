import type { Profile } from '../config/policy.js'
import { realtimeVcpus } from '../plan/threads/realtime-mask.js'
import { isRealtime } from '../plan/threads/thread-plan.js'
import { type Bytes, parseBytes } from '../units/bytes.js'
import { GUEST_IMAGE } from './guest-image.js'

/** The least guest that a profile can be measured with. */
export interface GuestMachine {
  readonly vcpus: number
  /** The vCPU that measures: the last. */
  readonly measured: number
  readonly memory: Bytes
}

const MEBIBYTE = 1n << 20n
const LEAST_MEMORY = 32n * MEBIBYTE

/** A mask that leaves none of so many vCPUs real-time is for the plan to refuse, in its own words. */
const MOST_VCPUS = 64

/**
 * Chooses vCPUs and memory: a mask may leave the first vCPUs to the guest's housekeeping, so that the first real-time one
 * must be there to be measured; memory is a whole number of the profile's huge pages.
 * @param profile null for best effort
 */
export function guestFor(profile: Pick<Profile, 'vcpus' | 'hugepages'> | null): GuestMachine {
  const measured = firstRealtime(profile?.vcpus ?? null)
  const page = parseBytes(profile?.hugepages ?? '') ?? MEBIBYTE
  const pages = (LEAST_MEMORY + page - 1n) / page
  return { vcpus: measured + 1, measured, memory: pages * page }
}

function firstRealtime(vcpus: Profile['vcpus']): number {
  if (vcpus === null || !isRealtime(vcpus)) return 0
  return realtimeVcpus(vcpus.realtimeMask, MOST_VCPUS)[0] ?? 0
}

/** QEMU's arguments for the machine; `-m` counts in MiB. */
export function machineArguments({ vcpus, memory }: GuestMachine): string[] {
  return [
    ...['-machine', 'pc', '-m', String(memory / MEBIBYTE), '-smp', String(vcpus)],
    // A processor that every KVM has, and a host of TCG too.
    ...['-cpu', 'pentium'],
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
  ]
}

/** Offset of the byte MEASURER of guest/jitter.S. */
const MEASURER = 509

/** The boot sector for a vCPU that measures; with so few vCPUs a number is its APIC ID too. */
export function guestImage(measured: number): Buffer {
  const image = Buffer.from(GUEST_IMAGE)
  image.writeUInt8(measured, MEASURER)
  return image
}
