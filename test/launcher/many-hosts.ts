import { type Files, uevent, writeFiles } from '../host/made-host.js'

/** A pool of virtual functions that are ready to be given away, each in a group of its own, and CPUs in plenty. */
export function hostOfPlenty(root: string, vfs: number, cpus: number): void {
  const files: Record<string, Files[string]> = {
    '/dev/vfio/vfio': '',
    '/sys/class/net/lo': { to: '../../devices/virtual/net/lo' },
    '/sys/devices/system/cpu/present': `0-${cpus + 1}\n`,
    '/sys/devices/system/cpu/online': `0-${cpus + 1}\n`,
  }
  for (let vf = 0; vf < vfs; vf++) {
    const directory = `/sys/bus/pci/devices/${vfAddress(vf)}`
    Object.assign(files, {
      [`${directory}/uevent`]: uevent('vfio-pci', '8086:154c'),
      [`${directory}/vendor`]: '0x8086\n',
      [`${directory}/device`]: '0x154c\n',
      [`${directory}/class`]: '0x020000\n',
      [`${directory}/numa_node`]: '0\n',
      // To others than root the kernel shows this much.
      [`${directory}/config`]: Buffer.alloc(64),
      [`${directory}/driver`]: { to: '../../../../bus/pci/drivers/vfio-pci' },
      [`${directory}/iommu_group`]: { to: `../../../../kernel/iommu_groups/${vf}` },
      [`/dev/vfio/${vf}`]: '',
    })
  }
  writeFiles(root, files)
}

export function vfAddress(vf: number): string {
  const hex = (number: number, digits: number) => number.toString(16).padStart(digits, '0')
  return `0000:${hex(0x10 + Math.floor(vf / 256), 2)}:${hex(Math.floor(vf / 8) % 32, 2)}.${vf % 8}`
}
