import { closeSync, openSync, readSync } from 'node:fs'
import type { PciAddress } from '../units/pci-address.js'
import { devicePath, type PciFunction } from './pci.js'
import type { SriovFacts } from './sriov.js'
import type { Root } from './sysroot.js'

/** Where extended capabilities begin and end (PCI Express Base Specification, 7.6). */
const FIRST_CAPABILITY = 0x100
const CONFIG_SIZE = 0x1000
const DEVICE_SERIAL_NUMBER = 0x0003

/**
 * Reads the serial numbers of devices. A virtual function is on its physical function's card, so that one's number says
 * which card it is.
 * @param functions sorted by address, so that a physical function comes before its virtual ones
 */
export function readSerials(
  root: Root,
  functions: readonly PciFunction[],
  virtual: SriovFacts['virtual'],
): ReadonlyMap<PciAddress, string | null> {
  const serials = new Map<PciAddress, string | null>()
  for (const { address } of functions) {
    const pf = virtual.get(address)?.pf
    const known = pf === undefined ? undefined : serials.get(pf)
    serials.set(address, known === undefined ? readSerial(`${devicePath(root, address)}/config`) : known)
  }
  return serials
}

/**
 * Reads the Device Serial Number from a PCI device's configuration space. Only what is needed: the whole of it takes the
 * hardware a millisecond. The kernel shows only the first 64 bytes to others than root (drivers/pci/pci-sysfs.c).
 * @param path the device's `config`
 * @returns the number as lspci writes it, `a0-36-9f-ff-ff-12-34-56`; null when there is none or it may not be read
 */
function readSerial(path: string): string | null {
  try {
    const fd = openSync(path, 'r')
    try {
      return findSerial((offset, length) => {
        const bytes = Buffer.alloc(length)
        return readSync(fd, bytes, 0, length, offset) === length ? bytes : null
      })
    } finally {
      closeSync(fd)
    }
  } catch {
    return null
  }
}

function findSerial(read: (offset: number, length: number) => Buffer | null): string | null {
  const seen = new Set<number>()
  let offset = FIRST_CAPABILITY
  while (offset >= FIRST_CAPABILITY && offset < CONFIG_SIZE && !seen.has(offset)) {
    seen.add(offset)
    const header = read(offset, 4)?.readUInt32LE() ?? 0
    if ((header & 0xffff) === DEVICE_SERIAL_NUMBER) return formatSerial(read(offset + 4, 8))
    offset = (header >>> 20) & ~3
  }
  return null
}

/** All zeros or ones is what hardware without a number says. */
function formatSerial(bytes: Buffer | null): string | null {
  const digits = bytes?.reverse().toString('hex') ?? ''
  return /^(0*|f*)$/.test(digits) ? null : (digits.match(/../g)?.join('-') ?? null)
}
