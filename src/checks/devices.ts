import { formatCpuSet, parseCpuSet, subtractCpuSets } from '../units/cpu-set.js'
import { remapsInterrupts } from '../units/interrupt-chip.js'
import type { Check } from './check.js'
import { INTERRUPTS_ID, IOMMU_ID, NO_IOMMU_GROUP, REMAP_INTERRUPTS, TURN_ON_IOMMU } from './judge/iommu.js'
import { isAbsent, RELEASE, seesHost, textsOf, whyNot } from './look.js'
import { met, missed, noted, notHere, unknown } from './verdicts.js'

const IOMMU_GROUPS = '/sys/kernel/iommu_groups/*/type'
const GROUP_NAMES = '/sys/kernel/iommu_groups/*/name'

const iommu: Check = {
  id: IOMMU_ID,
  group: 'devices',
  severity: 'fail',
  look: 'for an IOMMU, for NICs of VMs',
  reads: [IOMMU_GROUPS, GROUP_NAMES, RELEASE],
  wanted: () => 'groups in /sys/kernel/iommu_groups, where the configuration names NICs',
  judge: ({ facts, nics }) => {
    const madeUp = textsOf(facts, GROUP_NAMES).filter(([, name]) => name === NO_IOMMU_GROUP).length
    const groups = textsOf(facts, IOMMU_GROUPS).length - madeUp
    if (groups > 0) return met(`${groups} groups`)
    if (madeUp > 0 && nics.length > 0)
      return missed(
        iommu,
        'VFIO has made groups up (enable_unsafe_noiommu_mode), and QEMU opens no such device',
      )
    if (!isAbsent(facts, IOMMU_GROUPS)) return unknown(whyNot(facts, IOMMU_GROUPS))
    return nics.length === 0
      ? notHere('there is none, and no NIC is configured')
      : missed(iommu, 'there is no IOMMU group')
  },
  why: 'VFIO gives a device to a VM only with an IOMMU that keeps it within the VM.',
  fixedBy: 'command-line',
  fix: () => TURN_ON_IOMMU,
  source: 'Linux Documentation/driver-api/vfio.rst',
}

const CHIPS = '/sys/kernel/irq/*/chip_name'
const UNSAFE_ALLOWED = '/sys/module/*/parameters/allow_unsafe_interrupts'

const interruptRemapping: Check = {
  id: INTERRUPTS_ID,
  group: 'devices',
  severity: 'fail',
  look: 'for interrupts that are remapped, for NICs of VMs',
  reads: [CHIPS, UNSAFE_ALLOWED],
  wanted: () => 'chips of interrupts named IR-…, where the configuration names NICs',
  judge: ({ facts, nics }) => {
    const chips = textsOf(facts, CHIPS).map(([, name]) => name)
    const remaps = remapsInterrupts(chips)
    if (remaps === true) return met('they are remapped')
    if (chips.length === 0 && !isAbsent(facts, CHIPS)) return unknown(whyNot(facts, CHIPS))
    if (remaps === null) return notHere('no chip has a name that tells, as on other architectures')
    if (nics.length === 0) return notHere('they are not, and no NIC is configured')
    const allowing = textsOf(facts, UNSAFE_ALLOWED).flatMap(([path, value]) =>
      value === 'Y' ? [path.split('/')[3]] : [],
    )
    return allowing.length === 0
      ? missed(interruptRemapping, 'they are not remapped')
      : noted(`they are not remapped, and ${allowing.join(' and ')} allows that (allow_unsafe_interrupts)`)
  },
  why: 'Without it a guest could have its NIC raise any interrupt of this host, so VFIO gives no device to a VM.',
  fixedBy: 'command-line',
  fix: () => REMAP_INTERRUPTS,
  source: 'Linux drivers/vfio/vfio_iommu_type1.c; Documentation/admin-guide/kernel-parameters.txt, intremap=',
}

const VFIO = '/dev/vfio/vfio'

const vfio: Check = {
  id: 'devices.vfio',
  group: 'devices',
  severity: 'fail',
  look: 'for VFIO, for NICs of VMs',
  reads: [],
  owners: [VFIO, '/dev/iommu'],
  wanted: () => '/dev/vfio/vfio or /dev/iommu, where the configuration names NICs',
  judge: ({ facts, nics }) => {
    if (nics.length === 0) return notHere('no NIC is configured')
    if (facts.owners === null) return unknown(facts.whyNoThreads)
    const there = [VFIO, '/dev/iommu'].filter((path) => facts.owners?.has(path))
    if (there.length === 0 && !seesHost(facts)) return unknown('/dev/vfio is not to be seen from here')
    return there.length === 0
      ? missed(vfio, 'neither /dev/vfio/vfio nor /dev/iommu is there')
      : met(there.join(', '))
  },
  why: 'QEMU opens a device by these nodes.',
  fixedBy: 'module',
  fix: () =>
    'run as root: modprobe vfio-pci; to keep it, write "vfio-pci" into /etc/modules-load.d/90-qemu-rt.conf',
  source: 'Linux Documentation/driver-api/vfio.rst',
}

const RESCTRL = '/sys/fs/resctrl/*/cpus_list'
const RESCTRL_ROOT = '/sys/fs/resctrl/schemata'

const cacheShare: Check = {
  id: 'devices.cache-allocation',
  group: 'devices',
  severity: 'note',
  look: 'for a share of the cache for real-time CPUs',
  reads: [RESCTRL_ROOT, RESCTRL, RELEASE],
  isAboutRealtime: true,
  wanted: () => 'a group of resctrl for the real-time CPUs, where the processor has it',
  judge: ({ facts, sets }) => {
    if (isAbsent(facts, RESCTRL_ROOT))
      return noted('resctrl is not mounted, or this processor does not have it')
    const groups = textsOf(facts, RESCTRL).flatMap(([, text]) => parseCpuSet(text) ?? [])
    if (textsOf(facts, RESCTRL).length === 0 && !isAbsent(facts, RESCTRL))
      return unknown(whyNot(facts, RESCTRL))
    const left = subtractCpuSets(sets.realtime, groups)
    return left.length === 0
      ? met('they have groups of their own')
      : noted(`CPUs ${formatCpuSet(left)} share the cache with all others`)
  },
  why: 'Programs on housekeeping CPUs throw what a vCPU works with out of the last-level cache, and fetching it anew takes microseconds.',
  fixedBy: 'system',
  fix: () =>
    'see Linux Documentation/filesystems/resctrl.rst: make a group, give it ways of the L3 that the default group does not have, and the real-time CPUs',
  source: "Linux Documentation/core-api/real-time/hardware.rst; ABB's guide for SSC600 SW; ACRN",
}

export const DEVICE_CHECKS: readonly Check[] = [iommu, interruptRemapping, vfio, cacheShare]
