import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'
import type { HostFacts } from '../../host/facts.js'
import type { Bytes } from '../../units/bytes.js'
import { vfioDevices } from '../nics/requests.js'
import { countVcpus } from '../threads/smp.js'

/** How often something of QEMU's maps all guest RAM for a device, by the account in which the kernel counts such pages. */
export interface Mappings {
  /** VFIO's containers, which count with what the process has locked (Linux drivers/vfio/vfio_iommu_type1.c, vfio_lock_acct). */
  readonly groups: number
  /** iommufd, in an account of the user's (drivers/iommu/iommufd/pages.c, incr_user_locked_vm). */
  readonly iommufds: number
  /** vDPA devices, in an account of pinned pages (drivers/vhost/vdpa.c, vhost_vdpa_pa_map). */
  readonly vdpas: number
}

/** IOMMUs of the guest: QEMU then gives each device an address space of its own, and each maps all RAM. */
const GUEST_IOMMUS = new Set([
  'intel-iommu',
  'amd-iommu',
  'virtio-iommu',
  'virtio-iommu-pci',
  'virtio-iommu-device',
  'arm-smmuv3',
])

/**
 * Counts what maps all guest RAM; a mediated device maps only what it uses.
 * libvirt counts in the same way (src/qemu/qemu_domain.c, qemuDomainGetMemLockLimitBytes).
 */
export function countMappings(line: CommandLine, passed: HostFacts['passed']): Mappings {
  const devices = vfioDevices(line, passed).filter(({ address, isUnknown }) => address !== null || isUnknown)
  const ofIommufd = devices.filter(({ properties }) => (properties.get('iommufd') ?? '') !== '').length
  const ofGroup = devices.length - ofIommufd
  const most = hasGuestIommu(line) ? Number.MAX_SAFE_INTEGER : 1
  return {
    groups: Math.min(ofGroup, most),
    iommufds: Math.min(ofIommufd, most),
    vdpas: VDPA.reduce((sum, kind) => sum + countOf(line, kind), 0),
  }
}

/** Whether a command line has a device for which the kernel may pin guest RAM, or may get one by name. */
export function pinsMemory(line: CommandLine): boolean {
  return vfioDevices(line).length > 0 || countMappings(line, null).vdpas > 0
}

function hasGuestIommu(line: CommandLine): boolean {
  return (
    driversOf(line, 'device', 'driver').some((driver) => GUEST_IOMMUS.has(driver)) ||
    driversOf(line, 'machine', 'iommu').some((iommu) => iommu !== 'none')
  )
}

/** What opens a vDPA device (QEMU net/vhost-vdpa.c, hw/virtio/vdpa-dev.c, block/blkio.c). */
const VDPA: readonly { readonly option: string; readonly key: string; readonly value: RegExp }[] = [
  { option: 'netdev', key: 'type', value: /^vhost-vdpa$/ },
  { option: 'device', key: 'driver', value: /^vhost-vdpa-device/ },
  { option: 'blockdev', key: 'driver', value: /^virtio-blk-vhost-vdpa$/ },
]

function countOf(line: CommandLine, { option, key, value }: (typeof VDPA)[number]): number {
  return driversOf(line, option, key).filter((text) => value.test(text)).length
}

function driversOf(line: CommandLine, option: string, key: string): string[] {
  return findOptions(line, option).flatMap(({ index }) => propertiesAt(line, index).get(key) ?? [])
}

const MIB = 1n << 20n

/**
 * What QEMU maps besides guest RAM, all of which mlockall(2) takes: itself and its libraries, and of each vCPU thread a
 * stack and an arena of the C library's. Measured with QEMU 7.2 (q35, KVM, no devices): 211 MiB with one vCPU, 429 with
 * four, 1164 with sixteen; this is a little less.
 */
export function ownBytes(line: CommandLine): Bytes {
  return (128n + 64n * BigInt(countVcpus(line).present)) * MIB
}
