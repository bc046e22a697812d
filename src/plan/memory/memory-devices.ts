/** A device that maps a memory backend into the guest. */
export interface MemoryDevice {
  readonly driver: string
  /** Properties that name a backend. */
  readonly keys: readonly string[]
  /** Whether what it maps is RAM that the guest puts virtqueues and buffers in. */
  readonly guestRam: boolean
  /** Whether what is no RAM is in the guest's address space all the same, so that VFIO maps it, too (hw/vfio/listener.c). */
  readonly mapped?: true
  /** Why it is left alone, for those that a user might expect to be shared. */
  readonly because?: string
}

const WRITES_IMAGE = 'sharing it would write what the guest changes into its image'
/** Why SGX memory is left alone. */
export const ENCLAVE = 'enclave memory is not for other processes'

/**
 * Devices with a memory backend. Sources: QEMU 7.2 hw/mem/pc-dimm.c, nvdimm.c, sgx-epc.c, hw/virtio/virtio-mem.c,
 * virtio-pmem.c, hw/misc/ivshmem.c, hw/acpi/erst.c, hw/nvme/ctrl.c, hw/ppc/spapr_nvdimm.c; QEMU 8.2
 * hw/hyperv/hv-balloon.c; QEMU 8.1 hw/mem/cxl_type3.c (volatile-memdev, persistent-memdev, lsa; volatile-dc-memdev since
 * 9.1); QEMU 11.1 hw/mem/sp-mem.c.
 */
export const MEMORY_DEVICES: readonly MemoryDevice[] = [
  { driver: 'pc-dimm', keys: ['memdev'], guestRam: true },
  { driver: 'virtio-mem-pci', keys: ['memdev'], guestRam: true },
  { driver: 'virtio-mem-ccw', keys: ['memdev'], guestRam: true },
  { driver: 'virtio-mem', keys: ['memdev'], guestRam: true },
  { driver: 'sp-mem', keys: ['memdev'], guestRam: true },
  { driver: 'nvdimm', keys: ['memdev'], guestRam: false, mapped: true, because: WRITES_IMAGE },
  { driver: 'spapr-nvdimm', keys: ['memdev'], guestRam: false, mapped: true, because: WRITES_IMAGE },
  { driver: 'virtio-pmem-pci', keys: ['memdev'], guestRam: false, mapped: true, because: WRITES_IMAGE },
  { driver: 'virtio-pmem', keys: ['memdev'], guestRam: false, mapped: true, because: WRITES_IMAGE },
  {
    driver: 'cxl-type3',
    keys: ['memdev', 'persistent-memdev', 'lsa'],
    guestRam: false,
    because: WRITES_IMAGE,
  },
  { driver: 'cxl-type3', keys: ['volatile-memdev', 'volatile-dc-memdev'], guestRam: true },
  { driver: 'sgx-epc', keys: ['memdev'], guestRam: false, because: ENCLAVE },
  { driver: 'hv-balloon', keys: ['memdev'], guestRam: true },
  // Stores that a guest reads and writes by registers and a BAR; their files are the owner's business.
  { driver: 'acpi-erst', keys: ['memdev'], guestRam: false },
  { driver: 'nvme', keys: ['pmrdev'], guestRam: false, mapped: true },
  // Memory shared with other programs on purpose: its share setting is its owner's business.
  { driver: 'ivshmem-plain', keys: ['memdev'], guestRam: false, mapped: true },
]
