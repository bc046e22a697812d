import { readAltnames } from '../../host/altnames.js'
import { INVENTORY_PATH, mergeInventory, readInventory, writeInventory } from '../../host/inventory.js'
import { readHostFacts } from '../../host/read.js'
import { report, writeAll } from '../../report/output.js'

/**
 * Saves names, MAC addresses and serial numbers of the NICs that have an interface now, so that they can be found when
 * vfio-pci has them, and says what was saved and what was dropped.
 * @throws {UserError} exit 77 when the inventory cannot be written
 */
export function scanNics({ sysroot }: { readonly sysroot: string }): void {
  const { pci } = readHostFacts(sysroot)
  // Altnames given by hand are only the kernel's to tell; a captured host has no kernel to ask.
  const { entries, dropped } = mergeInventory(
    readInventory(sysroot),
    pci,
    sysroot === '/' ? readAltnames() : {},
  )
  writeInventory(sysroot, entries)
  for (const line of dropped) report(`dropped: ${line}`)
  const seen = pci.filter(({ interfaces }) => interfaces.length > 0).length
  const kept = entries.length - seen
  const remembered = kept === 0 ? '' : `, ${kept} remembered that have none now`
  writeAll(1, `${seen} NICs with an interface${remembered}: saved in ${INVENTORY_PATH}\n`)
}
