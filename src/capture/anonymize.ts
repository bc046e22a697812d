import type { Use } from '../host/use/use.js'

/** A MAC address as the kernel writes it; in names of interfaces without colons (`enx…`). */
const MAC = /\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b/gi
const MAC_IN_NAME = /\benx([0-9a-f]{12})\b/gi

/**
 * Makes what replaces MAC addresses by made-up ones, the same by the same in every text: of the locally administered
 * `02:00:00:00:00:01` and so on. Serial numbers in the inventory go.
 */
export function makeAnonymizer(): (text: string) => string {
  const known = new Map<string, string>()
  const replacement = (mac: string) => {
    const plain = mac.replaceAll(':', '').toLowerCase()
    // Not that of any NIC: what nobody has set, and broadcasts.
    if (/^(0{12}|f{12})$/.test(plain)) return plain
    const made = known.get(plain) ?? `02${(known.size + 1).toString(16).padStart(10, '0')}`
    known.set(plain, made)
    return made
  }
  const withColons = (plain: string) => plain.replace(/(..)(?=.)/g, '$1:')
  return (text) =>
    text
      .replace(MAC, (mac) => withColons(replacement(mac)))
      .replace(MAC_IN_NAME, (_, mac) => `enx${replacement(mac)}`)
      .replace(/("serial": *)"[^"]*"/g, '$1null')
}

/** A use of a device without the address that tells of the host's network. */
export function withoutAddress(use: Use): Use {
  if (use.kind === 'address') return { ...use, address: '' }
  if (use.kind === 'route') return { ...use, route: '' }
  if (use.kind === 'hidden') return { ...use, what: 'it was not seen' }
  return use
}
