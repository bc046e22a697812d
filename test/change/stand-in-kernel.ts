import { readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import type { WriteSysfs } from '../../src/change/driver.js'
import { type Files, uevent, writeFiles } from '../host/made-host.js'

/** A NIC of a made host. */
export interface MadeNic {
  readonly address: string
  readonly group: number
  readonly interface: string
  readonly mac: string
  /** Driver that the kernel has for it. */
  readonly native: string | null
  /** Driver that it has now. */
  readonly driver: string | null
  /** Driver whose probe fails for it. */
  readonly refusedBy?: string
}

export const FOUR: readonly MadeNic[] = [0, 1, 2, 3].map((n) => ({
  address: `0000:03:00.${n}`,
  group: 10 + n,
  interface: `ens1f${n}`,
  mac: `a0:36:9f:00:00:0${n}`,
  native: 'igb',
  driver: 'igb',
}))

/** A stand-in for the kernel. */
export interface Kernel {
  readonly write: WriteSysfs
  /** What was written. */
  readonly writes: string[]
  /** The driver_override of each device that has one. */
  readonly overrides: () => Readonly<Record<string, string>>
}

/**
 * Makes a host with these NICs, and a stand-in for the kernel that does on writes to its sysfs what the real one does:
 * there are no devices with an IOMMU where the tests run.
 * @param refuse says with which errno a write is refused; null for none
 */
export function hostWithKernel(
  root: string,
  nics: readonly MadeNic[],
  refuse: (path: string, text: string) => string | null = () => null,
): Kernel {
  const writes: string[] = []
  const directory = (address: string) => `${root}/sys/bus/pci/devices/${address}`
  const overrides = new Map<string, string>()
  writeFiles(root, {
    '/proc/sys/kernel/random/boot_id': '0b7d8b52-6f0e-4d0b-9a3e-2f4ad0a52a01\n',
    '/sys/bus/pci/drivers/vfio-pci/module': { to: '../../../../module/vfio_pci' },
    ...quietNetwork(nics.map((nic) => nic.interface)),
  })
  for (const nic of nics) {
    writeFiles(root, {
      [`/sys/bus/pci/devices/${nic.address}/uevent`]: uevent(nic.driver),
      [`/sys/bus/pci/devices/${nic.address}/iommu_group`]: {
        to: `../../../kernel/iommu_groups/${nic.group}`,
      },
    })
    if (nic.driver !== null) attach(nic, nic.driver)
  }

  function attach(nic: MadeNic, driver: string) {
    symlinkSync(`../../../../bus/pci/drivers/${driver}`, `${directory(nic.address)}/driver`)
    writeFileSync(`${directory(nic.address)}/uevent`, uevent(driver))
    const files =
      driver === 'vfio-pci'
        ? { [`/dev/vfio/${nic.group}`]: '', '/dev/vfio/vfio': '' }
        : {
            [`/sys/bus/pci/devices/${nic.address}/net/${nic.interface}/address`]: `${nic.mac}\n`,
            [`/sys/class/net/${nic.interface}`]: {
              to: `../../bus/pci/devices/${nic.address}/net/${nic.interface}`,
            },
          }
    writeFiles(root, files)
  }

  function detach(nic: MadeNic) {
    rmSync(`${directory(nic.address)}/driver`)
    writeFileSync(`${directory(nic.address)}/uevent`, uevent(null))
    for (const path of [`${directory(nic.address)}/net`, `${root}/sys/class/net/${nic.interface}`]) {
      rmSync(path, { recursive: true, force: true })
    }
    rmSync(`${root}/dev/vfio/${nic.group}`, { force: true })
  }

  function driverOf({ address }: MadeNic): string | null {
    return (
      existsLink(`${directory(address)}/driver`)
        ?.split('/')
        .pop() ?? null
    )
  }

  const write: WriteSysfs = (path, text) => {
    const inner = path.slice(root.length)
    const value = text.trim()
    writes.push(`${inner} = ${value}`)
    const errno = refuse(inner, value)
    if (errno !== null) throw Object.assign(new Error(errno), { code: errno })
    const nic = nics.find(({ address }) => inner.includes(address) || value === address)
    if (nic === undefined) throw Object.assign(new Error('ENODEV'), { code: 'ENODEV' })
    if (inner.endsWith('/driver_override')) overrides.set(nic.address, value)
    else if (inner.endsWith('/unbind')) detach(nic)
    else if (inner.endsWith('/drivers_probe')) {
      const driver = overrides.get(nic.address) || nic.native
      if (driverOf(nic) === null && driver !== null && driver !== nic.refusedBy) attach(nic, driver)
    } else if (inner.endsWith('/bind')) attach(nic, inner.split('/').at(-2) ?? '')
    else throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
  }
  return {
    write,
    writes,
    overrides: () => Object.fromEntries([...overrides].filter(([, driver]) => driver !== '')),
  }
}

/** What /proc/net has on a host that has interfaces, and neither addresses nor routes but the loopback's. */
export function quietNetwork(interfaces: readonly string[]): Files {
  return {
    '/proc/net/dev': [
      'Inter-|   Receive',
      ' face |bytes',
      ...['lo', ...interfaces].map((name) => `  ${name}: 0`),
      '',
    ].join('\n'),
    '/proc/net/route': 'Iface\tDestination\tGateway \tFlags\n',
    '/proc/net/fib_trie': 'Local:\n  |-- 127.0.0.1\n     /32 host LOCAL\n',
    '/proc/net/if_inet6': `${'0'.repeat(31)}1 01 80 10 80       lo\n`,
    '/proc/net/ipv6_route': '',
  }
}

function existsLink(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}

/** The driver of each NIC of a made host. */
export function driversOf(root: string, nics: readonly MadeNic[]): (string | null)[] {
  return nics.map(
    ({ address }) => existsLink(`${root}/sys/bus/pci/devices/${address}/driver`)?.split('/').pop() ?? null,
  )
}
