/** Something whose back end is another process that maps all guest RAM: it speaks vhost-user, or the like. */
export interface VhostUserDevice {
  /** The option that makes it: its driver, type or qom-type is `driver`. */
  readonly option: 'device' | 'netdev' | 'nic' | 'net' | 'object'
  readonly driver: string
  /** Only while this property is on. */
  readonly only?: string
  /** First QEMU version that has it; absent for 4.2 and before. */
  readonly since?: string
}

/** A device by the names that its source registers. */
function device(name: string, endings: readonly string[], since?: string): VhostUserDevice[] {
  const rest = since === undefined ? {} : { since }
  return endings.map((ending) => ({ option: 'device', driver: name + ending, ...rest }))
}

/**
 * Everything in QEMU whose back end maps guest RAM from another process. Sources: QEMU 7.2 `-device help` of x86_64, aarch64, ppc64, riscv64 and
 * s390x; hw/virtio/vhost-user-*.c, hw/block, hw/scsi, hw/display, net/vhost-user.c, net/passt.c and
 * backends/cryptodev-vhost-user.c of QEMU's git up to 11.x.
 * Not here: vhost-vdpa, whose device is hardware that pins private RAM as well as shared. Of a program (VDUSE) that cannot be
 * told from the command line, and the kernel shows it shared RAM alone (Linux drivers/vhost/vdpa.c, vhost_vdpa_va_map).
 * Nor machine type nitro-enclave (9.2), whose vsock is vhost-user; it makes its RAM a shared memfd by itself.
 */
export const VHOST_USER: readonly VhostUserDevice[] = [
  { option: 'netdev', driver: 'vhost-user' },
  { option: 'nic', driver: 'vhost-user' },
  { option: 'net', driver: 'vhost-user' },
  { option: 'netdev', driver: 'passt', only: 'vhost-user', since: '10.1' },
  { option: 'nic', driver: 'passt', only: 'vhost-user', since: '10.1' },
  { option: 'object', driver: 'cryptodev-vhost-user' },
  ...device('vhost-user-blk', ['', '-pci', '-pci-transitional', '-pci-non-transitional']),
  ...device('vhost-user-scsi', ['', '-pci', '-pci-transitional', '-pci-non-transitional']),
  ...device('vhost-user-fs', ['-device', '-pci', '-ccw']),
  ...device('vhost-user-gpu', ['', '-pci']),
  ...device('vhost-user-vga', ['']),
  ...device('vhost-user-input', ['', '-pci']),
  ...device('vhost-user-vsock', ['-device', '-pci', '-pci-non-transitional'], '5.1'),
  ...device('vhost-user-i2c', ['-device', '-pci'], '6.1'),
  ...device('vhost-user-rtc', ['', '-pci'], '11.1'),
  ...device('vhost-user-rng', ['', '-pci'], '6.2'),
  ...device('vhost-user-gpio', ['-device', '-pci'], '7.2'),
  ...device('vhost-user-scmi', ['', '-pci'], '8.1'),
  // The generic device; 10.2 has renamed it (hw/virtio/vhost-user-test-device.c).
  ...device('vhost-user-device', ['', '-pci'], '8.2'),
  ...device('vhost-user-test-device', ['', '-pci'], '10.2'),
  ...device('vhost-user-snd', ['', '-pci'], '9.0'),
  ...device('vhost-user-spi', ['-device', '-pci'], '11.0'),
  ...device('vhost-user-media', ['-device', '-pci'], '11.1'),
  // A PCI device of another program, which gets guest RAM by descriptors (hw/vfio-user/pci.c; docs: "share=on").
  ...device('vfio-user', ['-pci'], '10.1'),
  // The same by QEMU's own protocol, multi-process QEMU (hw/remote/proxy.c, proxy-memory-listener.c).
  ...device('x-pci-proxy-dev', [''], '6.0'),
]

/**
 * Block drivers with such a back end (QEMU block/blkio.c, 7.2): libblkio's virtio-blk-vhost-user sends descriptors of the
 * guest's buffers, and virtio-blk-vhost-vdpa may be of VDUSE. Its other drivers do their I/O in QEMU or by DMA.
 */
export const SHARING_BLOCK_DRIVERS: readonly string[] = ['virtio-blk-vhost-user', 'virtio-blk-vhost-vdpa']

/**
 * Whether a device says by its name that it speaks vhost-user or vfio-user, which goes for devices of later QEMUs too.
 * @param name driver of a `-device`
 */
export function isVhostUserDriver(name: string): boolean {
  return /^(vhost|vfio)-user-/.test(name)
}

/**
 * Finds what an option's driver, type or qom-type stands for.
 * @returns null for what has no back end in another process
 */
export function findVhostUser(option: string, driver: string): VhostUserDevice | null {
  const known = VHOST_USER.find((entry) => entry.option === option && entry.driver === driver)
  if (known !== undefined) return known
  return option === 'device' && isVhostUserDriver(driver) ? { option, driver } : null
}
