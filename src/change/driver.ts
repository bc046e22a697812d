import { existsSync, writeFileSync } from 'node:fs'
import { deviceInUse, notBound, notLookedThrough, stillHeld, vfioDriverMissing } from '../errors/bind.js'
import type { PciDevice } from '../host/facts.js'
import { devicePath } from '../host/pci.js'
import { run } from '../host/program.js'
import { virtualFunctionsOf } from '../host/sriov.js'
import { errorCode, readAttribute, readLinkName } from '../host/sysfs.js'
import type { Root } from '../host/sysroot.js'
import { isGroupBusy, type OpenNode, openedBy, SEARCH_SECONDS, searchEnd } from '../host/use/open-nodes.js'
import { hasOwnNode, isOnVfioNow } from '../host/vfio.js'
import type { TakenDevice } from '../record/vm.js'
import type { PciAddress } from '../units/pci-address.js'
import { isVfioDriver } from '../units/pci-driver.js'
import type { MayTake } from './obstacle.js'
import type { Step } from './step.js'

/** How sysfs is written to; a test puts a stand-in for the kernel here. */
export type WriteSysfs = (path: string, text: string) => void

/** The kernel does what is written before write(2) returns. */
export const writeSysfs: WriteSysfs = (path, text) => writeFileSync(path, text)

const VFIO_PCI = 'vfio-pci'

/** The driver that a device has now; null for none. */
export function driverOf(root: Root, address: PciAddress): string | null {
  return readLinkName(`${devicePath(root, address)}/driver`)
}

/**
 * Gives a device that another driver has, or none, to vfio-pci. Whether the host uses it is looked at right before: since it
 * was chosen another process may have made it a bridge's.
 * @param mayTake says what keeps the device from being taken
 * @param bind gives it
 */
export function driverStep(
  root: Root,
  device: PciDevice,
  write: WriteSysfs,
  mayTake: MayTake,
  bind: Step['make'],
): Step {
  const { address } = device
  return {
    look() {
      const driver = driverOf(root, address)
      if (isOnVfioNow(root, address)) return null
      const obstacle = mayTake(device)
      if (obstacle !== null) throw deviceInUse(obstacle)
      const override = overrideOf(root, address)
      return { address, driver, ...(override === null ? {} : { override }) }
    },
    make: bind,
    undo: (before) => undoDriver(root, before, write),
  }
}

/** The `driver_override` that a device has; null for none. */
function overrideOf(root: Root, address: PciAddress): string | null {
  const override = readAttribute(`${devicePath(root, address)}/driver_override`) ?? ''
  return override === '' || override === '(null)' ? null : override
}

/**
 * Gives a device back to the driver that it had. One that is gone, or that another driver of the host has got meanwhile, is
 * left as it is.
 * @param until see `checkClosed`
 * @throws {UserError} see `giveBack`
 */
export function undoDriver(
  root: Root,
  { address, driver, override }: TakenDevice,
  write: WriteSysfs,
  until?: number,
): void {
  if (driver === undefined || !existsSync(devicePath(root, address))) return
  const now = driverOf(root, address)
  const isOnVfio = isOnVfioNow(root, address)
  if (now !== null && now !== driver && !isOnVfio) return
  if (isOnVfio && now !== driver) checkClosed(root, address, until === undefined ? {} : { until })
  giveBack(root, address, driver, write)
  if (override !== undefined) setOverride(root, address, override, write)
}

/** It has the device itself, which another process has opened for it. */
const HIDDEN_HOLDER = 'a process that has a descriptor named [vfio-device] (see: ls -l /proc/[0-9]*/fd)'

/**
 * Checks that no process has a device open by VFIO: to take it away would wait for that process. Its virtual functions go
 * with it (Linux drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_unregister_device).
 * @param until when to stop looking, see `searchEnd`
 * @param open opens a node, for tests
 * @throws {UserError} exit 69 for one that is open, and where it is not shown that it is not
 */
export function checkClosed(
  root: Root,
  address: PciAddress,
  { until = searchEnd(), open }: { readonly until?: number; readonly open?: OpenNode } = {},
): void {
  for (const one of [address, ...virtualFunctionsOf(root, address)]) {
    const device = one === address ? one : describeVirtual(one, address)
    const { name, isComplete } = openedBy(root, one, until)
    // A process that is not found may have it all the same: unbind would not come back, and nobody could end it.
    const isBusy = name === null ? isGroupBusy(root, one, until, open) : true
    if (isBusy) throw stillHeld({ device, why: `is held by ${name ?? HIDDEN_HOLDER}` })
    // The kernel answers for the group's node. It does not tell that the device's own is open before that is used.
    if (!isComplete && (isBusy === null || hasOwnNode(root, one)))
      throw notLookedThrough({ device, seconds: SEARCH_SECONDS })
  }
}

/** A virtual function in a message about its physical one. */
export function describeVirtual(address: PciAddress, pf: PciAddress): string {
  return `${address}, a virtual function of ${pf},`
}

/** Loads vfio-pci, before devices are looked at: between the look and the change nothing is to take time. */
export async function loadVfio(root: Root): Promise<void> {
  const isThere = readLinkName(`${root}/sys/bus/pci/drivers/${VFIO_PCI}/module`) !== null
  if (!isThere && root === '') await run(['modprobe', VFIO_PCI])
}

/**
 * Gives a device to vfio-pci, by `driver_override` as driverctl(8) and libvirt do (Linux
 * Documentation/ABI/testing/sysfs-bus-pci): no other device of the same model is touched. It must not be in use.
 * @throws {UserError} exit 69 when there is no vfio-pci or it does not take the device, 77 without root's rights; the device
 *   then has its driver back
 */
export function bindToVfio(root: Root, address: PciAddress, write: WriteSysfs): void {
  const vfio = `${root}/sys/bus/pci/drivers/${VFIO_PCI}`
  // Unbound for nothing, an interface would come back without its addresses.
  if (!existsSync(vfio)) throw vfioDriverMissing({ address })
  const before = driverOf(root, address)
  try {
    setDriver(root, address, VFIO_PCI, write)
    if (!isVfioDriver(driverOf(root, address))) throw vfioDriverMissing({ address })
  } catch (error) {
    restoreQuietly(root, address, before, write)
    const code = errorCode(error)
    throw code === null ? error : notBound({ address, driver: VFIO_PCI, reason: code })
  }
}

/**
 * Gives a device back to the driver that it had; one that still has it loses only the override.
 * @param driver null leaves it without one
 * @throws {UserError} exit 69 when that driver does not take it, 77 without root's rights
 */
function giveBack(root: Root, address: PciAddress, driver: string | null, write: WriteSysfs): void {
  try {
    setOverride(root, address, null, write)
    if (driverOf(root, address) === driver) return
    probeAnew(root, address, write)
    // With two drivers for the device the kernel takes the first that is registered.
    const now = driverOf(root, address)
    if (driver !== null && now !== driver) {
      if (now !== null) write(`${devicePath(root, address)}/driver/unbind`, address)
      write(`${root}/sys/bus/pci/drivers/${driver}/bind`, address)
    }
    if (driver === null && now !== null) write(`${devicePath(root, address)}/driver/unbind`, address)
  } catch (error) {
    throw notBound({ address, driver: driver ?? 'no driver', reason: errorCode(error) ?? String(error) })
  }
}

/**
 * Gives a device to the driver that the kernel chooses for it.
 * @returns its name; null when none takes the device
 * @throws {UserError} exit 77 without root's rights
 */
export function giveToHost(root: Root, address: PciAddress, write: WriteSysfs): string | null {
  try {
    setDriver(root, address, null, write)
    return driverOf(root, address)
  } catch (error) {
    throw notBound({ address, driver: 'the host', reason: errorCode(error) ?? String(error) })
  }
}

function setDriver(root: Root, address: PciAddress, override: string | null, write: WriteSysfs): void {
  setOverride(root, address, override, write)
  probeAnew(root, address, write)
}

/** `override` null lets the kernel choose a driver by the device's ids. */
function setOverride(root: Root, address: PciAddress, override: string | null, write: WriteSysfs): void {
  write(`${devicePath(root, address)}/driver_override`, `${override ?? ''}\n`)
}

function probeAnew(root: Root, address: PciAddress, write: WriteSysfs): void {
  if (driverOf(root, address) !== null) write(`${devicePath(root, address)}/driver/unbind`, address)
  write(`${root}/sys/bus/pci/drivers_probe`, address)
}

function restoreQuietly(root: Root, address: PciAddress, driver: string | null, write: WriteSysfs): void {
  try {
    giveBack(root, address, driver, write)
  } catch {
    // What went wrong first is what is told.
  }
}
