import { type CommandLine, findOptions, mergedValue, propertiesAt } from '../../argv/command-line.js'
import { type Properties, parseSwitch } from '../../argv/properties.js'

/** Names of the bus that QEMU puts a device on that names none: of i440fx and pseries, and of q35 and virt. */
const ROOT_BUSES: readonly (string | undefined)[] = [undefined, '', 'pci.0', 'pcie.0']

/** Of 32 slots the last is the chipset's on q35 (hw/i386/pc_q35.c), and the first two are on i440fx (hw/i386/pc_piix.c). */
const HIGHEST_SLOT = 30
const LOWEST_SLOT = 2

/**
 * Slots of the root bus for devices that are added, the highest first: libvirt counts from the lowest up when it plugs
 * devices later, and does not know of ours.
 *
 * QEMU would choose the lowest that is free, before it makes the devices that are written in JSON (6.2 to 11.1, system/vl.c,
 * qemu_create_cli_devices): one of these may have that slot by its address, and QEMU would end.
 * @param machine the machine type
 * @returns numbers; none when no device has an address there, so that QEMU's choice cannot be in the way, or when none is free
 */
export function freeSlots(line: CommandLine, machine: string | null): number[] {
  const used = new Set(
    WITH_ADDRESS.flatMap((option) => findOptions(line, option)).flatMap(({ index }) =>
      rootSlotsOf(propertiesAt(line, index)),
    ),
  )
  if (used.size === 0) return []
  if (hasChipsetUsb(line, machine)) used.add(CHIPSET_USB_SLOT)
  const slots = Array.from({ length: HIGHEST_SLOT - LOWEST_SLOT + 1 }, (_, index) => HIGHEST_SLOT - index)
  return slots.filter((slot) => !used.has(slot))
}

/** Options that make a device at the address that they have. */
const WITH_ADDRESS = ['device', 'nic', 'net']

/** Where q35 has its USB controller when it is asked for (hw/i386/pc_q35.c, ehci_create_ich9_with_companions). */
const CHIPSET_USB_SLOT = 0x1d

function hasChipsetUsb(line: CommandLine, machine: string | null): boolean {
  if (!/q35/.test(machine ?? '')) return false
  const isAskedFor = ['usb', 'usbdevice'].some((option) => findOptions(line, option).length > 0)
  return isAskedFor || parseSwitch(mergedValue(line, 'machine', 'usb')) === true
}

/** Host bridges more, on whose bus QEMU would put a device that names none (hw/pci-bridge/pci_expander_bridge.c). */
const EXPANDERS = new Set(['pxb', 'pxb-pcie', 'pxb-cxl'])

/** A machine's own bus, by its type; i440fx has many names. */
const BUS_OF_MACHINE: readonly (readonly [machine: RegExp, bus: string])[] = [
  [/q35|virt/, 'pcie.0'],
  [/^(pc|pseries)/, 'pci.0'],
]

/**
 * The bus that a device without a place must name.
 * @param machine the machine type
 * @returns null when the machine's own is the only one that QEMU would take, or is not known
 */
export function busToName(line: CommandLine, machine: string | null): string | null {
  const hasExpander = findOptions(line, 'device').some(({ index }) =>
    EXPANDERS.has(propertiesAt(line, index).get('driver') ?? ''),
  )
  if (!hasExpander) return null
  return BUS_OF_MACHINE.find(([type]) => type.test(machine ?? ''))?.[1] ?? null
}

/** The lowest slot of the root bus that a machine type leaves to devices; 2 on i440fx, whose types have many names. */
const LOWEST_OF_MACHINE: readonly (readonly [machine: RegExp, slot: number])[] = [
  [/q35|virt/, 1],
  [/pseries/, 0],
]

/** At most, without -nodefaults: VGA and a network card (QEMU system/vl.c, qemu_disable_default_devices). */
const DEFAULT_DEVICES = 2

/**
 * Whether a device that has no place of its own may get the slot of a device that QEMU makes after it and that has
 * an address: QEMU gives the lowest that is free at that time, and ends at the other device. A device may be no PCI device and take
 * no slot; it is counted as one.
 * @param index the device's place in the command line
 * @param machine the machine type
 */
export function losesSlot(line: CommandLine, index: number, machine: string | null): boolean {
  const made = inOrderOfMaking(line)
  const at = made.findIndex((device) => device.index === index)
  const earlier = made.slice(0, at)
  const first = LOWEST_OF_MACHINE.find(([type]) => type.test(machine ?? ''))?.[1] ?? LOWEST_SLOT
  const later = made.slice(at + 1).flatMap(({ slots }) => slots.filter((slot) => slot >= first))
  if (later.length === 0) return false
  const taken = new Set(earlier.flatMap(({ slots }) => slots))
  const below = Array.from({ length: Math.min(...later) - first }, (_, index) => first + index)
  const free = below.filter((slot) => !taken.has(slot)).length
  const defaults = findOptions(line, 'nodefaults').length > 0 ? 0 : DEFAULT_DEVICES
  return free <= defaults + earlier.filter(({ isPlaced }) => !isPlaced).length
}

/** A device of the command line, and the slots of the root bus that its address says. */
interface MadeDevice {
  readonly index: number
  readonly slots: readonly number[]
  readonly isPlaced: boolean
}

/** See `freeSlots`: those in keyval come first. */
function inOrderOfMaking(line: CommandLine): MadeDevice[] {
  const devices = findOptions(line, 'device').map(({ index }) => {
    const properties = propertiesAt(line, index)
    const isJson = properties.text.startsWith('{')
    return { index, slots: rootSlotsOf(properties), isPlaced: hasPlace(properties), isJson }
  })
  return [...devices.filter(({ isJson }) => !isJson), ...devices.filter(({ isJson }) => isJson)]
}

/** Whether a device has an address, or a bus below the machine's own: on that QEMU would choose the slot. */
export function hasPlace(properties: Properties): boolean {
  return properties.get('addr') !== undefined || !ROOT_BUSES.includes(properties.get('bus'))
}

function rootSlotsOf(properties: Properties): number[] {
  return ROOT_BUSES.includes(properties.get('bus')) ? slotsOf(properties.get('addr') ?? '') : []
}

/**
 * As QEMU reads `addr` (hw/core/qdev-properties-system.c, set_pci_devfn): a text is `SLOT` or `SLOT.FUNCTION`, hexadecimal; a
 * number in JSON is eight times the slot and the function. What may be either takes both slots.
 */
function slotsOf(address: string): number[] {
  const [, slot] = /^(?:0x)?([0-9a-f]{1,2})(?:\.(?:0x)?[0-7])?$/i.exec(address) ?? []
  const number = /^\d{1,3}$/.test(address) ? [Number(address) >> 3] : []
  return slot === undefined ? number : [Number.parseInt(slot, 16), ...number]
}
