/** Something that speaks vhost-user, so that its back end maps all guest RAM. */
export interface VhostUserDevice {
  /** The option that makes it: its driver, type or qom-type is `driver`. */
  readonly option: 'device' | 'netdev' | 'nic' | 'net' | 'object'
  readonly driver: string
  /** Names are made of these endings, as QEMU's virtio-pci does (hw/virtio/virtio-pci.c). */
  readonly endings?: readonly string[]
  /** Only with this property. */
  readonly only?: { readonly key: string; readonly value: string }
  /** First QEMU version that has it; absent for 4.2 and before. */
  readonly since?: string
}

const TRANSITIONAL = ['', '-device', '-pci', '-pci-transitional', '-pci-non-transitional']
const MODERN = ['', '-device', '-pci', '-ccw']

/**
 * Everything in QEMU that speaks vhost-user. Sources: QEMU 7.2 `-device help`; hw/virtio/vhost-user-*.c, hw/block,
 * hw/scsi, hw/display, net/vhost-user.c, backends/cryptodev-vhost-user.c of QEMU up to 10.1.
 */
export const VHOST_USER: readonly VhostUserDevice[] = [
  { option: 'netdev', driver: 'vhost-user' },
  { option: 'nic', driver: 'vhost-user' },
  { option: 'net', driver: 'vhost-user' },
  { option: 'netdev', driver: 'passt', only: { key: 'vhost-user', value: 'on' }, since: '10.1' },
  { option: 'nic', driver: 'passt', only: { key: 'vhost-user', value: 'on' }, since: '10.1' },
  { option: 'device', driver: 'vhost-user-blk', endings: TRANSITIONAL },
  { option: 'device', driver: 'vhost-user-scsi', endings: TRANSITIONAL },
  { option: 'device', driver: 'vhost-user-vsock', endings: TRANSITIONAL, since: '5.1' },
  { option: 'device', driver: 'vhost-user-fs', endings: MODERN },
  { option: 'device', driver: 'vhost-user-gpu', endings: MODERN },
  { option: 'device', driver: 'vhost-user-vga' },
  { option: 'device', driver: 'vhost-user-input', endings: MODERN },
  { option: 'device', driver: 'vhost-user-i2c', endings: MODERN, since: '6.2' },
  { option: 'device', driver: 'vhost-user-rng', endings: MODERN, since: '7.1' },
  { option: 'device', driver: 'vhost-user-gpio', endings: MODERN, since: '7.2' },
  { option: 'device', driver: 'vhost-user-snd', endings: MODERN, since: '9.0' },
  { option: 'device', driver: 'vhost-user-scmi', endings: MODERN, since: '8.1' },
  { option: 'device', driver: 'vhost-user-device', endings: ['', '-pci'], since: '8.2' },
  { option: 'device', driver: 'vhost-user-test-device', endings: ['', '-pci'], since: '10.1' },
  { option: 'object', driver: 'cryptodev-vhost-user' },
]

/** A device of a later QEMU than the table knows still says by its name what it speaks. */
const NAMED_SO = /^vhost-user-/

/**
 * Finds what an option's driver, type or qom-type stands for.
 * @returns null for what does not speak vhost-user
 */
export function findVhostUser(option: string, driver: string): VhostUserDevice | null {
  const known = VHOST_USER.find((device) => {
    return (
      device.option === option && (device.endings ?? ['']).some((ending) => device.driver + ending === driver)
    )
  })
  if (known !== undefined) return known
  return option === 'device' && NAMED_SO.test(driver) ? { option, driver } : null
}
