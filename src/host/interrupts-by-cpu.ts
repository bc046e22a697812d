import { parseCpuSet } from '../units/cpu-set.js'
import { readProc } from './proc.js'

/**
 * Reads how many interrupts of devices each CPU has had since boot: the rows of /proc/interrupts that have a number, and not
 * those of the architecture, as timer and calls (Linux Documentation/filesystems/proc.rst, "interrupts").
 * @returns null when they cannot be read
 */
export function readDeviceInterrupts(root: string): Map<number, number> | null {
  const text = readProc(`${root}/proc/interrupts`)
  return text === null ? null : parseDeviceInterrupts(text)
}

/** @param text of /proc/interrupts, whose first line names the CPUs that are online */
export function parseDeviceInterrupts(text: string): Map<number, number> {
  const [heading = '', ...rows] = text.split('\n')
  const cpus = heading.match(/CPU\d+/g)?.flatMap((name) => parseCpuSet(name.slice(3)) ?? []) ?? []
  const counts = new Map(cpus.map((cpu) => [cpu, 0]))
  for (const row of rows) {
    if (!/^\s*\d+:/.test(row)) continue
    const fields = row.trim().split(/\s+/).slice(1)
    for (const [index, cpu] of cpus.entries()) {
      const count = fields[index] ?? ''
      if (/^\d+$/.test(count)) counts.set(cpu, (counts.get(cpu) ?? 0) + Number(count))
    }
  }
  return counts
}
