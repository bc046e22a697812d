/**
 * Drivers that leave a device to user space: vfio-pci and its vendor variants (mlx5_vfio_pci, hisi_acc_vfio_pci, …;
 * Linux Documentation/driver-api/vfio-pci-device-specific-driver-acceptance.rst).
 */
const VFIO_DRIVER = /(^|[-_])vfio[-_]pci$/

export function isVfioDriver(driver: string | null): boolean {
  return driver !== null && VFIO_DRIVER.test(driver)
}

/** Holds a device so that no driver takes it (Linux drivers/pci/pci-stub.c). */
export const STUB_DRIVER = 'pci-stub'

/** Whether a device's driver leaves it to user space: by its name, or because it offers VFIO's own node for the device. */
export function isOnVfio({
  driver,
  cdev = null,
}: {
  readonly driver: string | null
  readonly cdev?: object | null
}): boolean {
  return driver !== null && (cdev !== null || isVfioDriver(driver))
}
