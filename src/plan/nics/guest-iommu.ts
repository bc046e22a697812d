import { type CommandLine, findOptions, mergedValue, propertiesAt } from '../../argv/command-line.js'
import { type Properties, parseSwitch } from '../../argv/properties.js'

/** IOMMUs of the guest that are devices (riscv-iommu-pci since QEMU 9.2, arm-smmuv3 since 10.2). */
const GUEST_IOMMUS = new Set([
  'intel-iommu',
  'amd-iommu',
  'virtio-iommu',
  'virtio-iommu-pci',
  'virtio-iommu-device',
  'arm-smmuv3',
  'riscv-iommu-pci',
])

/** Whether the guest has an IOMMU: QEMU then gives each device an address space of its own. */
export function hasGuestIommu(line: CommandLine): boolean {
  const machines = findOptions(line, 'machine').flatMap(
    ({ index }) => propertiesAt(line, index).get('iommu') ?? [],
  )
  // Of riscv's virt (hw/riscv/virt.c, 10.0).
  const hasOwn = parseSwitch(mergedValue(line, 'machine', 'iommu-sys')) === true
  return hasOwn || machines.some((iommu) => iommu !== 'none') || deviceArguments(line).some(isGuestIommu)
}

/** Bridges to conventional PCI, which tell the IOMMU nothing of which device behind them it is (QEMU hw/pci/pci.c). */
const CONVENTIONAL_BRIDGES = new Set(['pcie-pci-bridge', 'pci-bridge', 'i82801b11-bridge'])

/**
 * Whether QEMU gives a device an address space of its own (hw/pci/pci.c, pci_device_iommu_address_space): the guest has an IOMMU, the
 * device's bus does not go past it, and no bridge of conventional PCI is above.
 * @param bus the device's; undefined for one that names none
 */
export function hasOwnSpace(line: CommandLine, bus: string | undefined): boolean {
  if (!hasGuestIommu(line)) return false
  if (parseSwitch(mergedValue(line, 'machine', 'default-bus-bypass-iommu')) === true) return false
  const above = deviceArguments(line).find((device) => bus !== undefined && device.get('id') === bus)
  return !CONVENTIONAL_BRIDGES.has(above?.get('driver') ?? '')
}

/**
 * Whether a device must be made after one that is written in JSON, all of which QEMU makes after those in keyval (6.2 to 11.1,
 * system/vl.c, qemu_create_cli_devices): the guest's IOMMU, whose address space VFIO takes when it makes a device (hw/vfio/pci.c,
 * pci_device_iommu_address_space), or the bridge that it is behind.
 * @param bus the device's; undefined for one that names none
 */
export function followsJson(line: CommandLine, bus: string | undefined): boolean {
  return deviceArguments(line)
    .filter(({ text }) => text.startsWith('{'))
    .some((device) => isGuestIommu(device) || (bus !== undefined && device.get('id') === bus))
}

function deviceArguments(line: CommandLine): Properties[] {
  return findOptions(line, 'device').map(({ index }) => propertiesAt(line, index))
}

function isGuestIommu(device: Properties): boolean {
  return GUEST_IOMMUS.has(device.get('driver') ?? '')
}
