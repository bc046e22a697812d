import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'

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
 * @returns numbers; none when no device has an address there, so that QEMU's choice cannot be in the way, or when none is free
 */
export function freeSlots(line: CommandLine): number[] {
  const used = new Set(
    findOptions(line, 'device').flatMap(({ index }) => {
      const properties = propertiesAt(line, index)
      return ROOT_BUSES.includes(properties.get('bus')) ? slotsOf(properties.get('addr') ?? '') : []
    }),
  )
  if (used.size === 0) return []
  const slots = Array.from({ length: HIGHEST_SLOT - LOWEST_SLOT + 1 }, (_, index) => HIGHEST_SLOT - index)
  return slots.filter((slot) => !used.has(slot))
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
