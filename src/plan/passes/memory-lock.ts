import { type CommandLine, findOptions, mergedValue, propertiesAt } from '../../argv/command-line.js'
import { parseSwitch } from '../../argv/properties.js'
import { daemonLimit } from '../../checks/judge/limits.js'
import { lockExcludesVirtioMem, lockLimitTooLow } from '../../errors/memory.js'
import type { HostFacts } from '../../host/facts.js'
import { type Bytes, formatBytes } from '../../units/bytes.js'
import { parseInteger } from '../../units/integer.js'
import type { Edit } from '../edit.js'
import { guestRamBytes, otherMappedBytes } from '../memory/guest-ram.js'
import { virtioMemDevices } from '../memory/virtio-mem.js'
import { hasGuestIommu } from '../nics/guest-iommu.js'
import { vfioDevices } from '../nics/requests.js'
import type { Pass, PassInput } from '../pass.js'
import { countVcpus } from '../threads/smp.js'

/**
 * Has QEMU lock its memory, so that no page fault waits for a disk. Checks the limit first, also for devices for which the
 * kernel pins all guest RAM: QEMU fails with "locking memory failed" or "VFIO_MAP_DMA failed: Cannot allocate memory" only
 * after it has allocated all of it.
 */
export const memoryLock: Pass = {
  name: 'memory-lock',
  run(input) {
    checkVirtioMem(input)
    checkLimit(input)
    return { edits: input.profile?.settings.lockMemory === true ? lockEdit(input) : [] }
  },
}

/**
 * Every QEMU refuses to start with both, also with mem-lock=on-fault (seen with 7.2, 10.0 and 11.1).
 * @throws {UserError} exit 65
 */
function checkVirtioMem({ line, profile }: PassInput): void {
  if (profile?.settings.lockMemory !== true) return
  const [device] = virtioMemDevices(line)
  if (device !== undefined) throw lockExcludesVirtioMem({ profile: profile.name, device: device.user })
}

function lockEdit({ line }: PassInput): Edit[] {
  const asked = mergedValue(line, 'overcommit', 'mem-lock')
  // on-fault (QEMU 10.0) was somebody's decision; -realtime mlock=on is what it was called before 6.0.
  if (parseSwitch(asked) === true || asked === 'on-fault') return []
  if (parseSwitch(mergedValue(line, 'realtime', 'mlock')) === true) return []
  const reason = 'the profile locks the VM in memory, so that no page fault waits for a disk'
  const last = findOptions(line, 'overcommit').at(-1)
  if (last === undefined) return [{ kind: 'append', option: 'overcommit', argument: 'mem-lock=on', reason }]
  const argument = propertiesAt(line, last.index).set('mem-lock', true).text
  return [{ kind: 'replace', index: last.index, argument, reason }]
}

/** What is locked, as a message says it. */
interface Part {
  readonly what: string
  readonly bytes: Bytes
}

/** @throws {UserError} exit 77 when what is locked in one of the kernel's accounts is more than the limit */
function checkLimit({ line, arch, host, profile }: PassInput): void {
  const limit = host.memoryLockLimit
  if (limit === null || limit === 'unlimited') return
  const locks = profile?.settings.lockMemory === true
  const { groups, iommufds, vdpas, encrypted } = countMappings(line, host.passed)
  const rings = xdpRings(line)
  if (!locks && groups + iommufds + vdpas + encrypted + rings.length === 0) return
  const ram = guestRamBytes(line, arch)
  // Of a machine's default that only QEMU knows there is no number.
  const size = ram === 0n ? '' : ` of ${formatBytes(ram)}`
  const itself = { what: `the guest's RAM${size}`, bytes: ram }
  const other = otherMappedBytes(line)
  const all =
    other === 0n ? [itself] : [itself, { what: `${formatBytes(other)} of its other memory`, bytes: other }]
  const own = { what: `about ${formatBytes(ownBytes(line))} of QEMU's own`, bytes: ownBytes(line) }
  const more = { what: 'the same for each device more that maps it', bytes: 0n }
  const mapped = (count: number, first: Part[]): Part[] => {
    if (count === 0) return first
    const times = first.length === 0 ? count - 1 : count
    const again = times === 0 ? [] : [{ ...more, bytes: (ram + other) * BigInt(times) }]
    return [...(first.length === 0 ? all : first), ...again]
  }
  const byProfile = locks ? `lock-memory of profile '${profile.name}'` : BY_DEVICES
  const accounts = [
    { parts: mapped(groups, locks ? [...all, own] : []), where: byProfile },
    { parts: [...mapped(iommufds, []), ...rings], where: iommufds > 0 ? BY_DEVICES : BY_XDP },
    { parts: mapped(vdpas, []), where: BY_DEVICES },
    { parts: mapped(encrypted, []), where: 'SEV pins all of it (-object sev-guest)' },
  ]
  const short = accounts.find(
    ({ parts }) => parts.length > 0 && parts.reduce((sum, { bytes }) => sum + bytes, 0n) >= limit,
  )
  if (short === undefined) return
  const told = limit <= ram && short.parts.includes(itself) ? [itself] : short.parts
  throw lockLimitTooLow({
    needed: told.map(({ what }) => what).join(', and '),
    limit: formatBytes(limit),
    daemonLimit: daemonLimit('LimitMEMLOCK'),
    where: short.where,
  })
}

const BY_DEVICES = 'VFIO and vDPA map all of it for their devices'
const BY_XDP = 'the kernel keeps them in locked memory'

/**
 * Where packets are for AF_XDP: 8192 frames of 4 KiB for each queue (QEMU 8.2 net/af-xdp.c, af_xdp_umem_create). The kernel counts
 * them in the account of the user's that iommufd counts in (Linux net/xdp/xdp_umem.c, xdp_umem_account_pages).
 */
function xdpRings(line: CommandLine): Part[] {
  const queues = ['netdev', 'nic'].flatMap((option) =>
    findOptions(line, option).flatMap(({ index }) => {
      const network = propertiesAt(line, index)
      return network.get('type') === 'af-xdp' ? [parseInteger(network.get('queues') ?? '1') ?? 1n] : []
    }),
  )
  const bytes = queues.reduce((sum, count) => sum + count * 32n * MIB, 0n)
  return bytes <= 0n ? [] : [{ what: `${formatBytes(bytes)} of packets for af-xdp`, bytes }]
}

/** How often something of QEMU's maps all guest RAM for a device, by the account in which the kernel counts such pages. */
interface Mappings {
  /** VFIO's containers, which count with what the process has locked (Linux drivers/vfio/vfio_iommu_type1.c, vfio_lock_acct). */
  readonly groups: number
  /** iommufd, in an account of the user's (drivers/iommu/iommufd/pages.c, incr_user_locked_vm). */
  readonly iommufds: number
  /** vDPA devices, in an account of pinned pages (drivers/vhost/vdpa.c, vhost_vdpa_pa_map). */
  readonly vdpas: number
  /** An encrypted guest's RAM, in an account of the VM's (arch/x86/kvm/svm/sev.c, sev_pin_memory). */
  readonly encrypted: number
}

/**
 * Counts what maps all guest RAM; a mediated device maps only what it uses. With an IOMMU of the guest's each device maps all of it.
 * libvirt counts in the same way (src/qemu/qemu_domain.c, qemuDomainGetMemLockLimitBytes).
 */
function countMappings(line: CommandLine, passed: HostFacts['passed']): Mappings {
  const devices = vfioDevices(line, passed).filter(({ address, isUnknown }) => address !== null || isUnknown)
  const ofIommufd = devices.filter(({ properties }) => (properties.get('iommufd') ?? '') !== '').length
  const ofGroup = devices.length - ofIommufd
  const most = hasGuestIommu(line) ? Number.MAX_SAFE_INTEGER : 1
  return {
    groups: Math.min(ofGroup, most) + countOf(line, OWN_CONTAINERS),
    iommufds: Math.min(ofIommufd, most),
    vdpas: countOf(line, VDPA),
    encrypted: Math.min(countOf(line, ENCRYPTED), 1),
  }
}

/** Whether a command line has a device for which the kernel may pin memory, or may get one by name. */
export function pinsMemory(line: CommandLine): boolean {
  if (vfioDevices(line).length > 0 || xdpRings(line).length > 0) return true
  return countOf(line, [...OWN_CONTAINERS, ...VDPA, ...ENCRYPTED]) > 0
}

/** What of a command line has RAM mapped: one of an option's keys has such a value. */
interface Opener {
  readonly option: string
  readonly keys: readonly string[]
  readonly value: RegExp
}

/** A block driver by its name, where a node may stand: at the top, or below a format's (QEMU docs/system/qemu-block-drivers.rst.inc). */
function blockDriver(value: RegExp): Opener[] {
  const keys = ['driver', 'file.driver', 'file.file.driver']
  return ['blockdev', 'drive'].map((option) => ({ option, keys, value }))
}

/** What opens a vDPA device (QEMU net/vhost-vdpa.c, hw/virtio/vdpa-dev.c, block/blkio.c). */
const VDPA: readonly Opener[] = [
  { option: 'netdev', keys: ['type'], value: /^vhost-vdpa$/ },
  { option: 'nic', keys: ['type'], value: /^vhost-vdpa$/ },
  { option: 'device', keys: ['driver'], value: /^vhost-vdpa-device/ },
  ...blockDriver(/^virtio-blk-vhost-vdpa$/),
]

/**
 * Block drivers that open a PCI device themselves, each disk in a VFIO container of its own, and map all guest RAM there: QEMU's for
 * NVMe (util/vfio-helpers.c, qemu_vfio_init_pci), which a file's name asks for, too, and libblkio's (block/blkio.c).
 */
const OWN_CONTAINERS: readonly Opener[] = [
  ...blockDriver(/^(nvme|virtio-blk-vfio-pci)$/),
  {
    option: 'drive',
    keys: ['file', 'file.filename'],
    value: /^nvme:\/\/|^json:.*"driver"\s*:\s*"(nvme|virtio-blk-vfio-pci)"/s,
  },
]

/**
 * SEV and SEV-ES, which have all guest RAM pinned before the guest runs; SEV-SNP and TDX have theirs in guest_memfd (QEMU
 * target/i386/sev.c, sev_kvm_init).
 */
const ENCRYPTED: readonly Opener[] = [{ option: 'object', keys: ['qom-type'], value: /^sev-guest$/ }]

/** How many options have RAM mapped in one of several ways. */
function countOf(line: CommandLine, openers: readonly Opener[]): number {
  const options = [...new Set(openers.map(({ option }) => option))]
  return options.flatMap((option) => {
    const ways = openers.filter((one) => one.option === option)
    return findOptions(line, option).filter(({ index }) => {
      const properties = propertiesAt(line, index)
      return ways.some(({ keys, value }) => keys.some((key) => value.test(properties.get(key) ?? '')))
    })
  }).length
}

const MIB = 1n << 20n

/**
 * What QEMU maps besides guest RAM, all of which mlockall(2) takes: itself and its libraries, and of each vCPU thread a
 * stack and an arena of the C library's. Measured with QEMU 7.2 (q35, KVM, no devices): 211 MiB with one vCPU, 429 with
 * four, 1164 with sixteen; this is a little less.
 */
function ownBytes(line: CommandLine): Bytes {
  return (128n + 64n * BigInt(countVcpus(line).present)) * MIB
}
