import type { GuestMachine } from '../guest.js'
import { NETWORK_GUEST_IMAGE } from './guest-image.js'

/** What a guest does: it sends frames and measures their round trips, or sends back what it gets. */
export type Role = 'sender' | 'echo'

/** The frames that the sender sends. */
export interface Frames {
  /** Bytes of one, with the Ethernet header and without its checksum. */
  readonly bytes: number
  /** From one to the next. */
  readonly intervalMicroseconds: number
}

/** What fits: below is no Ethernet frame, above is more than every network carries. */
export const FRAME_BYTES = { least: 60, most: 1514 } as const

/** Offsets of IS_ECHO, WORKER, FRAME and INTERVAL of guest/network.S. */
const PARAMETERS = { isEcho: 0, worker: 1, frameBytes: 2, interval: 4 } as const

/**
 * The image for one of the two guests.
 * @param worker the vCPU that works; with so few vCPUs a number is its APIC ID too
 */
export function networkImage(role: Role, worker: number, { bytes, intervalMicroseconds }: Frames): Buffer {
  const image = Buffer.from(NETWORK_GUEST_IMAGE)
  image.writeUInt8(role === 'echo' ? 1 : 0, PARAMETERS.isEcho)
  image.writeUInt8(worker, PARAMETERS.worker)
  image.writeUInt16LE(bytes, PARAMETERS.frameBytes)
  image.writeUInt32LE(intervalMicroseconds, PARAMETERS.interval)
  return image
}

const MEBIBYTE = 1n << 20n

/**
 * QEMU's arguments for one of the two guests.
 * @param netdev arguments that make the network back end `n`
 * @param image path of its image
 */
export function networkMachine(
  { vcpus, memory }: Pick<GuestMachine, 'vcpus' | 'memory'>,
  netdev: readonly string[],
  image: string,
): string[] {
  return [
    ...['-machine', 'pc', '-m', String(memory / MEBIBYTE), '-smp', String(vcpus)],
    // A processor that every KVM has, and a host of TCG too.
    ...['-cpu', 'pentium'],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-kernel', image, '-debugcon', 'stdio'],
    // Without the firmware in its ROM, which would ask the network for something to boot.
    ...[...netdev, '-device', 'virtio-net-pci,netdev=n,disable-legacy=on,romfile='],
  ]
}
