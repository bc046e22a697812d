/** Texts that a plan reads, by path; `*` stands for any one name. What is not there is left out. */
export const TEXTS = [
  '/sys/bus/pci/devices/*/uevent',
  '/sys/bus/pci/devices/*/vendor',
  '/sys/bus/pci/devices/*/device',
  '/sys/bus/pci/devices/*/subsystem_vendor',
  '/sys/bus/pci/devices/*/subsystem_device',
  '/sys/bus/pci/devices/*/class',
  '/sys/bus/pci/devices/*/numa_node',
  '/sys/bus/pci/devices/*/sriov_numvfs',
  '/sys/bus/pci/devices/*/sriov_totalvfs',
  '/sys/bus/pci/slots/*/address',
  '/sys/devices/system/cpu/present',
  '/sys/devices/system/cpu/online',
  '/sys/devices/system/cpu/isolated',
  '/sys/devices/system/cpu/smt/control',
  '/sys/devices/system/cpu/*/topology/thread_siblings_list',
  '/sys/devices/system/cpu/*/cache/index3/shared_cpu_list',
  '/sys/devices/system/cpu/*/cpu_capacity',
  '/sys/devices/cpu_core/cpus',
  '/sys/devices/cpu_atom/cpus',
  '/sys/devices/cpu_lowpower/cpus',
  '/sys/devices/system/node/*/cpulist',
  '/sys/devices/system/node/*/distance',
  '/sys/devices/system/node/*/hugepages/*/free_hugepages',
  '/sys/kernel/iommu_groups/*/reserved_regions',
  '/sys/kernel/irq/*/chip_name',
  '/sys/kernel/mm/hugepages/*/free_hugepages',
  '/sys/kernel/mm/hugepages/*/resv_hugepages',
  '/sys/kernel/mm/hugepages/*/nr_overcommit_hugepages',
  '/sys/kernel/mm/hugepages/*/surplus_hugepages',
  '/sys/module/iommufd/parameters/allow_unsafe_interrupts',
  '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts',
  '/proc/sys/kernel/sched_rt_runtime_us',
  '/proc/sys/kernel/osrelease',
  '/proc/sys/kernel/random/boot_id',
  '/var/lib/qemu-rt/nics.json',
] as const

/** Links of which a plan reads the target: its last name, or whose device it is. */
export const LINKS = [
  '/sys/bus/pci/devices/*/driver',
  '/sys/bus/pci/devices/*/iommu_group',
  '/sys/bus/pci/devices/*/physfn',
  '/sys/bus/pci/devices/*/virtfn*',
  '/sys/class/vfio-dev/*',
] as const

/** Files of which it matters that they are there, not what is in them. */
export const NAMES = ['/dev/iommu', '/dev/vfio/*', '/dev/vfio/devices/*'] as const

/** Of an interface, beneath its directory. */
export const INTERFACE_TEXTS = ['address', 'ifindex', 'phys_port_name', 'bonding_slave/perm_hwaddr'] as const

/** Of the process that asks: what it may lock, nodes for its memory, and the CPUs of its group. */
export const PROCESS_TEXTS = ['limits', 'status', 'cgroup', 'mountinfo'] as const

/** Of a control group: its CPUs, whether others may have them, and huge pages that it may have. */
export const GROUP_TEXTS = [
  'cpuset.effective_cpus',
  'cpuset.cpus',
  'cpuset.cpus.effective',
  'cpuset.cpus.exclusive.effective',
  'cpuset.cpus.isolated',
  'cpuset.cpus.partition',
  ...['2MB', '1GB'].flatMap((size) =>
    ['max', 'current', 'rsvd.max', 'rsvd.current'].map((file) => `hugetlb.${size}.${file}`),
  ),
] as const

/** Whether the name of a control group says nothing of VMs and programs: a slice's, and those of `host isolate`. */
export function isPlainGroup(name: string): boolean {
  return /^[\w-]+\.slice$|^qemu-rt(-vms)?$/.test(name)
}
