import type { PciAddress } from '../units/pci-address.js'
import { isNetworkClass } from '../units/pci-class.js'
import { readCpus } from './cpus.js'
import { EMPTY_HOST, type HostFacts } from './facts.js'
import { readHugePages, readMemoryNodes } from './hugepages.js'
import { checkInventory, type InventoryToday, readInventory } from './inventory.js'
import type { FoundDevice } from './inventory-check.js'
import { kernelThreadsOf } from './kernel-threads.js'
import { readMemoryLockLimit, readRealtimeLimits } from './limits.js'
import { type FoundInterfaces, readInterfaces } from './nics.js'
import { type PciFunction, readIsGone, readPciFunctions } from './pci.js'
import { readSerials } from './serial.js'
import { readSlots } from './slots.js'
import { readSriov } from './sriov.js'
import { openSysroot, type Root } from './sysroot.js'
import { hostUseOf, once } from './use/host-use.js'
import { makeMayBeOpen } from './use/open-nodes.js'
import {
  readCdevs,
  readDirectRegion,
  readInterruptGuards,
  readIommuNode,
  readPassed,
  readVfioContainer,
  readVfioNodes,
} from './vfio.js'
import { readWhereabouts } from './whereabouts.js'

/** Parts of a host that may be asked for; what is not named is not wanted. Reading PCI devices takes longer than all the rest. */
export interface WantedFacts {
  readonly pci?: boolean
  /** Serial numbers of NICs, for which their hardware is asked, even where no saved inventory has any to compare with. */
  readonly serials?: boolean
  readonly cpus?: boolean
  /** CPUs with all that a thread plan looks at. */
  readonly topology?: boolean
  readonly memory?: boolean
  /** NUMA nodes that this process may take memory from, which becomes QEMU; with `memory` they come, too. */
  readonly memoryNodes?: boolean
  /** How much this process may lock; of a machine of libvirt's that is not known. */
  readonly lockLimit?: boolean
  /** What real-time threads this process's user may have. */
  readonly realtimeLimits?: boolean
  /** The cpuset is that of libvirt's machines instead of this process's. */
  readonly machines?: boolean
  /** Descriptors of this process whose devices are asked for, with `pci`; null where they are another process's. */
  readonly descriptors?: readonly string[] | null
}

const EVERYTHING: WantedFacts = {
  pci: true,
  serials: true,
  cpus: true,
  topology: true,
  memory: true,
  lockLimit: true,
}

/**
 * Reads what a plan may know of a host.
 * @param sysroot `/`, or a directory with a captured host
 * @param wanted parts that are not wanted come as in `EMPTY_HOST`
 * @throws {UserError} exit 65 when the sysroot is no directory or has no /sys, or when the saved inventory is malformed;
 *   77 when this user may not read them
 */
export function readHostFacts(sysroot: string, wanted: WantedFacts = EVERYTHING): HostFacts {
  const root = openSysroot(sysroot)
  const { machines = false, descriptors = null, ...parts } = wanted
  if (!Object.values(parts).includes(true)) return EMPTY_HOST
  return {
    ...(wanted.pci ? readPci(root, sysroot, wanted.serials === true) : EMPTY_HOST),
    cpus: wanted.cpus || wanted.topology ? readCpus(root, wanted.topology === true, machines) : null,
    ...(wanted.topology ? { kernelThreads: kernelThreadsOf(root) } : {}),
    hugePages: wanted.memory ? readHugePages(root, !machines) : null,
    memoryNodes: (wanted.memory || wanted.memoryNodes) && !machines ? readMemoryNodes(root) : null,
    realtimeLimits: wanted.realtimeLimits && !machines ? readRealtimeLimits(root) : null,
    memoryLockLimit: wanted.lockLimit && !machines ? readMemoryLockLimit(root) : null,
    passed: descriptors && readPassed(descriptors),
  }
}

function readPci(
  root: Root,
  sysroot: string,
  serials: boolean,
): Pick<
  HostFacts,
  'pci' | 'otherInterfaces' | 'inventoryWarnings' | 'uncounted' | 'useOf' | 'mayBeOpen' | 'iommuNode'
> {
  const functions = readPciFunctions(root)
  const saved = readInventory(sysroot)
  const mayBeOpen = makeMayBeOpen(root)
  const interfaces = readInterfaces(root, functions)
  const devices = readDevices(root, functions, interfaces.byDevice, serials || saved.length > 0)
  const { fitting, uncounted, warnings } =
    saved.length === 0 ? NOTHING_SAVED : checkInventory(saved, devices, readWhereabouts(root))
  return {
    pci: devices.map((device) => ({ ...device, inventory: fitting.get(device.address) ?? null })),
    otherInterfaces: interfaces.others,
    inventoryWarnings: warnings,
    uncounted,
    useOf: hostUseOf(root),
    mayBeOpen: ({ address }) => mayBeOpen(address),
    iommuNode: readIommuNode(root),
  }
}

const NOTHING_SAVED: InventoryToday = { fitting: new Map(), uncounted: [], warnings: [] }

function readDevices(
  root: Root,
  functions: readonly PciFunction[],
  interfaces: FoundInterfaces['byDevice'],
  withSerials: boolean,
): FoundDevice[] {
  const { physical, virtual } = readSriov(root, functions)
  const slotOf = readSlots(root)
  const vfioNodeOf = readVfioNodes(root)
  const vfioContainer = readVfioContainer(root)
  const cdevs = readCdevs(root, functions)
  const interruptGuards = once(() => readInterruptGuards(root))
  const nics = withSerials ? functions.filter((device) => mayBeNic(device, interfaces)) : []
  const serials = readSerials(root, nics, virtual)
  return functions.map((device) => {
    const { address, iommuGroup } = device
    return {
      ...device,
      interfaces: interfaces.get(address) ?? [],
      virtualFunction: virtual.get(address) ?? null,
      sriov: physical.get(address) ?? null,
      slot: slotOf(address),
      serial: serials.get(address) ?? null,
      vfioNode: iommuGroup === null ? null : vfioNodeOf(iommuGroup),
      cdev: cdevs.get(address) ?? null,
      isGone: once(() => readIsGone(root, address)),
      ...(iommuGroup === null
        ? {}
        : { vfioContainer, directRegion: once(() => readDirectRegion(root, iommuGroup)), interruptGuards }),
    }
  })
}

/** A network controller, or a card of another class with an interface: only NICs are told apart by serial numbers. */
function mayBeNic(
  { address, classCode }: PciFunction,
  interfaces: ReadonlyMap<PciAddress, unknown>,
): boolean {
  return isNetworkClass(classCode) || interfaces.has(address)
}
