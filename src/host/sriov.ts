import { existsSync } from 'node:fs'
import { type PciAddress, parsePciAddress } from '../units/pci-address.js'
import type { PciDevice } from './facts.js'
import { devicePath, type PciFunction } from './pci.js'
import { readLinkName, readNumber } from './sysfs.js'
import type { Root } from './sysroot.js'

/** Which devices are physical functions, and which are virtual functions of these. */
export interface SriovFacts {
  readonly physical: ReadonlyMap<PciAddress, NonNullable<PciDevice['sriov']>>
  readonly virtual: ReadonlyMap<PciAddress, NonNullable<PciDevice['virtualFunction']>>
}

/**
 * Reads the relations of physical and virtual functions (Linux Documentation/PCI/pci-iov-howto.rst) from the physical
 * side, whose `virtfnN` links carry the index too: one call for each virtual function.
 * @param functions sorted by address, so that a physical function comes before its virtual ones
 */
export function readSriov(root: Root, functions: readonly PciFunction[]): SriovFacts {
  const physical = new Map<PciAddress, NonNullable<PciDevice['sriov']>>()
  const virtual = new Map<PciAddress, NonNullable<PciDevice['virtualFunction']>>()
  for (const { address: pf } of functions) {
    const path = devicePath(root, pf)
    if (virtual.has(pf) || !existsSync(`${path}/sriov_totalvfs`)) continue
    const enabled = readNumber(`${path}/sriov_numvfs`) ?? 0
    physical.set(pf, { enabled, total: readNumber(`${path}/sriov_totalvfs`) ?? 0 })
    readVirtual(path, enabled).forEach((vf, index) => {
      if (vf !== null) virtual.set(vf, { pf, index })
    })
  }
  return { physical, virtual }
}

/** The virtual functions of a device that are on now. */
export function virtualFunctionsOf(root: Root, address: PciAddress): PciAddress[] {
  const path = devicePath(root, address)
  return readVirtual(path, readNumber(`${path}/sriov_numvfs`) ?? 0).filter((vf) => vf !== null)
}

/** By their index; null for one that is going. */
function readVirtual(path: string, enabled: number): (PciAddress | null)[] {
  return Array.from({ length: enabled }, (_, index) =>
    parsePciAddress(readLinkName(`${path}/virtfn${index}`) ?? ''),
  )
}
