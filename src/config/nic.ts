import * as v from 'valibot'
import { parseMac } from '../units/mac.js'
import { parsePciAddress } from '../units/pci-address.js'
import { GIVEN_TO, givenTo } from './given-to.js'
import { interrupts } from './interrupts.js'
import type { NicPolicy, NicSelector } from './policy.js'
import { flag, names, parsed, table, text, wholeNumber } from './values.js'

/** A VF's index is a 16-bit field (PCIe, SR-IOV capability, NumVFs). */
const MAX_VF = 65_535

/** The most nodes that Linux can be built for (CONFIG_NODES_SHIFT is 10 at most). */
const MAX_NUMA_NODE = 1_023

const SELECTORS = ['mac', 'address', 'interface', 'pf', 'vf', 'id', 'slot', 'numa-node'] as const

const NOT_A_NIC = '$setting is not a table; write [nic.NAME]'

/** One [nic.NAME]: all selectors given must match; one device may, or with pool any number. */
const nic = v.pipe(
  table(
    {
      // Ethernet address of the NIC, as its kernel driver or the saved inventory knows it.
      mac: v.optional(
        parsed(parseMac, '$setting is not a MAC address; write six bytes, such as "a0:36:9f:12:34:56"'),
      ),
      // PCI address.
      address: v.optional(
        parsed(
          parsePciAddress,
          '$setting is not a PCI address; write it as lspci -D does, such as "0000:03:00.1"',
        ),
      ),
      // Name or altname of the interface that the kernel driver makes.
      interface: v.optional(text),
      // The physical function it is a virtual function of: interface, altname, MAC or PCI address.
      pf: v.optional(text),
      // Index of the virtual function below pf, from 0.
      vf: v.optional(wholeNumber(0, MAX_VF)),
      // Vendor and device ID.
      id: v.optional(
        parsed(
          parseId,
          '$setting is not a vendor and device ID; write it as lspci -n does, such as "8086:1521"',
        ),
      ),
      // Name of the physical slot, from /sys/bus/pci/slots.
      slot: v.optional(text),
      'numa-node': v.optional(wholeNumber(0, MAX_NUMA_NODE)),
      // Several devices may match: any free one will do.
      pool: v.optional(flag),
      // Before what the VM's profile says.
      interrupts: v.optional(interrupts),
      ...GIVEN_TO,
    },
    NOT_A_NIC,
  ),
  v.check(
    (given) => SELECTORS.some((key) => given[key] !== undefined),
    `NIC '$key' says nothing about the device; add ${SELECTORS.slice(0, -1).join(', ')} or ${SELECTORS.at(-1)}`,
  ),
  v.forward(
    v.check(
      ({ vf, pf }) => vf === undefined || pf !== undefined,
      '$setting needs a pf; add pf = "…", the physical function that it is counted on',
    ),
    ['vf'],
  ),
  v.transform(
    (given): NicPolicy => ({
      mac: given.mac ?? null,
      address: given.address ?? null,
      interface: given.interface ?? null,
      pf: given.pf ?? null,
      vf: given.vf ?? null,
      id: given.id ?? null,
      slot: given.slot ?? null,
      numaNode: given['numa-node'] ?? null,
      pool: given.pool ?? false,
      interrupts: given.interrupts ?? null,
      givenTo: givenTo(given),
    }),
  ),
)

/** [nic.NAME] → the device or devices that the name stands for. A comma would end the name in host=nic:NAME,… */
export const nics = names(nic, {
  notTable: NOT_A_NIC,
  isName: (name) => /^[^\s,]+$/.test(name),
  notName: "'$key' cannot name a NIC in a command line; choose a name without commas and blanks",
})

function parseId(text: string): NicSelector['id'] {
  const [, vendor, device] = /^([0-9a-f]{4}):([0-9a-f]{4})$/.exec(text.toLowerCase()) ?? []
  return vendor === undefined || device === undefined ? null : { vendor, device }
}
