import { type Properties, type PropertyValue, setAll } from '../../argv/properties.js'

/** Makes QEMU name a RAM block after the backend's path, `/objects/pc.ram`, rather than after its id, `pc.ram`. */
const BY_PATH = 'x-use-canonical-path-for-ramblock-id'

/**
 * What a memfd or file backend needs that takes the place of memory that QEMU named after its id: for machine types
 * before 4.0 these two kinds are named after their path (QEMU hw/core/machine.c, hw_compat_3_1), so that a migration
 * from or to the same VM without the wrapper would not find its RAM. libvirt sets it too
 * (qemu_command.c, qemuBuildMemoryBackendProps).
 * @param machine as given to `-machine`, such as `pc-i440fx-3.1`; null when not known
 * @returns properties to set; none for newer machine types
 */
export function keepRamName(machine: string | null): Readonly<Record<string, PropertyValue>> {
  return machine !== null && isBefore4(machine) ? { [BY_PATH]: false } : {}
}

/**
 * Ubuntu's releases with QEMU 2.0 to 3.1, whose names its machine types have in place of a version: pc-q35-bionic,
 * pc-i440fx-disco-hpb, s390-ccw-virtio-xenial (its patch ubuntu/define-ubuntu-machine-types.patch). eoan has 4.0.
 */
const UBUNTU_BEFORE_4 = /-(trusty|utopic|vivid|wily|xenial|yakkety|zesty|artful|bionic|cosmic|disco)(?![a-z])/

/** Versions are QEMU's, or RHEL's, whose 8.0 types are of QEMU 3.1 (its hw_compat_rhel_8_0). */
function isBefore4(machine: string): boolean {
  if (UBUNTU_BEFORE_4.test(machine)) return true
  const [, rhel, major = '', minor = ''] = /(?:^|-)(rhel)?(\d+)\.(\d+)/.exec(machine) ?? []
  if (major === '') return false
  return rhel === undefined ? Number(major) < 4 : Number(major) < 8 || (major === '8' && minor === '0')
}

/**
 * Turns a memory-backend-ram into a memfd that migration knows by the same name. Every property that the one has the
 * other has too (QEMU backends/hostmem.c, hostmem-memfd.c). A memfd stays as it is.
 * @param machine the machine type; null when not known
 */
export function asMemfd(properties: Properties, machine: string | null): Properties {
  if (properties.get('qom-type') === 'memory-backend-memfd') return properties
  return setAll(properties.set('qom-type', 'memory-backend-memfd'), keepRamName(machine))
}
