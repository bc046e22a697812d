import { INVENTORY_PATH } from '../../host/inventory.js'
import { readHostFacts } from '../../host/read.js'
import { saveInventory } from '../../host/save-inventory.js'
import { openSysroot } from '../../host/sysroot.js'
import { report, writeAll } from '../../report/output.js'

/**
 * Saves the NICs that have an interface now, and says what was saved, and what of the old entries did not stay.
 * @throws {UserError} exit 77 when the inventory cannot be written
 */
export function scanNics({ sysroot }: { readonly sysroot: string }): void {
  const { pci } = readHostFacts(sysroot)
  const { saved, notes } = saveInventory(sysroot, pci)
  for (const line of notes) report(line)
  const seen = pci.filter(({ interfaces }) => interfaces.length > 0).length
  const kept = saved - seen
  const remembered = kept === 0 ? '' : `, ${kept} remembered that have none now`
  writeAll(
    1,
    `${seen} ${seen === 1 ? 'NIC' : 'NICs'} with an interface${remembered}: saved in ${openSysroot(sysroot)}${INVENTORY_PATH}\n`,
  )
}
