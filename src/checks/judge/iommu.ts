export const IOMMU_ID = 'devices.iommu'

/** Without an IOMMU VFIO gives no device to a VM (Linux Documentation/driver-api/vfio.rst). */
export const TURN_ON_IOMMU =
  'turn on VT-d or AMD-Vi in the firmware and boot with intel_iommu=on (Intel) iommu=pt'

/** Groups that the kernel makes up with enable_unsafe_noiommu_mode; no device of theirs is confined (drivers/vfio/group.c). */
export const NO_IOMMU_GROUP = 'vfio-noiommu'

export const INTERRUPTS_ID = 'devices.interrupt-remapping'

/** Linux Documentation/admin-guide/kernel-parameters.txt: intremap=, nointremap. */
export const REMAP_INTERRUPTS =
  'turn on interrupt remapping in the firmware, with VT-d or AMD-Vi, and boot without intremap=off and nointremap'
