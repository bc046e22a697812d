import type { CpuSet } from './cpu-set.js'

/** As wide as the widest kernel writes it (NR_CPUS of 8192), commas included. */
const LONGEST_MASK = 4096

/**
 * Reads the kernel's mask format (Documentation/core-api/printk-formats.rst, bitmaps `%*pb`): groups of at most 8 hex digits,
 * separated by commas, the lowest last. Leading zeros and a `0x` mean nothing.
 * @returns the CPUs, or null when the text is no mask
 */
export function parseCpuMask(text: string): CpuSet | null {
  const plain = text.trim().replace(/^0x/i, '')
  if (plain.length > LONGEST_MASK || !/^[\da-f]{1,8}(,[\da-f]{1,8})*$|^[\da-f]+$/i.test(plain)) return null
  // Only the first group may be short: the kernel pads the others.
  const digits = plain
    .split(',')
    .map((group, index) => (index === 0 ? group : group.padStart(8, '0')))
    .join('')
  const cpus: number[] = []
  for (let at = 0; at < digits.length; at++) {
    const nibble = Number.parseInt(digits.charAt(digits.length - 1 - at), 16)
    for (let bit = 0; bit < 4; bit++) if ((nibble >> bit) & 1) cpus.push(4 * at + bit)
  }
  return cpus
}

/** Writes a set as a mask, as files such as rps_cpus take it: `f,ffffff00`. */
export function formatCpuMask(cpus: CpuSet): string {
  const highest = Math.max(0, ...cpus)
  const groups = new Array<number>(Math.floor(highest / 32) + 1).fill(0)
  for (const cpu of cpus) {
    const group = Math.floor(cpu / 32)
    groups[group] = ((groups[group] ?? 0) | (1 << (cpu % 32))) >>> 0
  }
  const [top = 0, ...rest] = groups.reverse()
  return [top.toString(16), ...rest.map((group) => group.toString(16).padStart(8, '0'))].join(',')
}
