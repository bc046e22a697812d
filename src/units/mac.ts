/** An Ethernet address in lower case with colons: `a0:36:9f:12:34:56`. */
export type MacAddress = string & { readonly unit: 'MacAddress' }

/**
 * Reads an Ethernet address written with colons or dashes, in either case.
 * @returns the address as the kernel writes it in /sys/class/net/X/address, or null when it is not one
 */
export function parseMac(text: string): MacAddress | null {
  const mac = text.toLowerCase().replaceAll('-', ':')
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) ? (mac as MacAddress) : null
}
