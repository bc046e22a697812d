import type { Profile, VcpuProfile } from '../config/policy.js'
import { realtimeVcpus } from '../plan/threads/realtime-mask.js'
import { isRealtime } from '../plan/threads/thread-plan.js'
import { type Bytes, parseBytes } from '../units/bytes.js'
import { GUEST_IMAGE } from './guest-image.js'
import type { Mode } from './mode.js'

/** The least guest that a profile can be measured with. */
export interface GuestMachine {
  readonly vcpus: number
  /** The vCPUs that measure. */
  readonly measured: readonly number[]
  readonly memory: Bytes
}

const MEBIBYTE = 1n << 20n
const LEAST_MEMORY = 32n * MEBIBYTE

/** As many as the guest knows (guest/jitter.S, VCPUS). */
export const MOST_VCPUS = 64

/**
 * Chooses vCPUs and memory: a mask may leave the first vCPUs to the guest's housekeeping, so that they must be there for
 * the first real-time one to be measured; memory is a whole number of the profile's huge pages.
 * @param profile null for best effort
 * @param wanted how many vCPUs measure
 * @returns fewer that measure than wanted, where the mask allows no more; one at least: a mask that leaves none is for the
 *   plan to refuse, in its own words
 */
export function guestFor(profile: Pick<Profile, 'vcpus' | 'hugepages'> | null, wanted = 1): GuestMachine {
  const realtime = realtimeAmong(profile?.vcpus ?? null, MOST_VCPUS)
  const measured = realtime.length === 0 ? [0] : realtime.slice(0, wanted)
  const page = parseBytes(profile?.hugepages ?? '') ?? MEBIBYTE
  const pages = (LEAST_MEMORY + page - 1n) / page
  return { vcpus: 1 + Math.max(...measured), measured, memory: pages * page }
}

/** Those of a guest's vCPUs that are worth measuring: the real-time ones, without any policy all. */
export function realtimeAmong(vcpus: VcpuProfile | null, count: number): readonly number[] {
  return realtimeVcpus(vcpus !== null && isRealtime(vcpus) ? vcpus.realtimeMask : null, count)
}

/** QEMU's arguments for the machine; `-m` counts in MiB. */
export function machineArguments(
  { vcpus, memory }: GuestMachine,
  accelerator: 'kvm' | 'tcg',
  mode: Mode,
): string[] {
  // KVM has a TSC deadline for every processor, TCG for none (target/i386/cpu.c, TCG_EXT_FEATURES).
  const features = accelerator === 'kvm' && mode === 'timer' ? ',tsc-deadline=on' : ''
  return [
    ...['-machine', 'pc', '-m', String(memory / MEBIBYTE), '-smp', String(vcpus)],
    // A processor that every KVM has, and a host of TCG too.
    ...['-cpu', `pentium${features}`],
    // A guest that fails is to end, not to begin again.
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
  ]
}

/** What the guest does, see PARAMETERS of guest/jitter.S. */
export interface GuestTask {
  readonly mode: Mode
  readonly intervalMicroseconds: number
}

/** Offset of PARAMETERS. */
const PARAMETERS = 32

/** Where the devices of a `pc` may begin (hw/i386/pc_piix.c): RAM below it is touched. */
const HOLE = 0xc0000000n

/** The image for a machine; with so few vCPUs a number is its APIC ID too. */
export function guestImage({ measured, memory }: GuestMachine, task: GuestTask): Buffer {
  const image = Buffer.from(GUEST_IMAGE)
  image.writeBigUInt64LE(
    measured.reduce((bits, vcpu) => bits | (1n << BigInt(vcpu)), 0n),
    PARAMETERS,
  )
  image.writeUInt32LE(task.mode === 'timer' ? 1 : 0, PARAMETERS + 8)
  image.writeUInt32LE(Math.round(task.intervalMicroseconds * 1000), PARAMETERS + 12)
  image.writeUInt32LE(Number(memory < HOLE ? memory : HOLE), PARAMETERS + 16)
  return image
}
