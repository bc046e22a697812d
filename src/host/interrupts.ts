import { lstatSync } from 'node:fs'
import { type CpuSet, parseCpuSet } from '../units/cpu-set.js'
import type { PciAddress } from '../units/pci-address.js'
import { devicePath } from './pci.js'
import { listDirectory, readAttribute, readNumber } from './sysfs.js'
import type { Root } from './sysroot.js'

/** An interrupt that a device left to user space has. */
export interface DeviceInterrupt {
  readonly number: number
  /** A vector of its own (MSI, MSI-X), or the line that it has by its slot (INTx), which other devices may have, too. */
  readonly kind: 'vector' | 'line'
}

/**
 * Reads which interrupts a device on VFIO has now, by what sysfs says of the device (Linux
 * Documentation/ABI/testing/sysfs-bus-pci, `msi_irqs`, `irq`). Its line counts when it alone is handled there, by VFIO (drivers/vfio/pci/vfio_pci_intrs.c,
 * vfio_intx_enable); a line that others share is `shared`.
 */
export function interruptsOf(
  root: Root,
  address: PciAddress,
): { readonly own: readonly DeviceInterrupt[]; readonly shared: number | null } {
  const vectors = (listDirectory(`${devicePath(root, address)}/msi_irqs`) ?? [])
    .filter((name) => /^\d{1,9}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
  if (vectors.length > 0) return { own: vectors.map((number) => ({ number, kind: 'vector' })), shared: null }
  const line = readNumber(`${devicePath(root, address)}/irq`) ?? 0
  const handlers = line <= 0 ? [] : handlersOf(root, line)
  if (!handlers.includes(`vfio-intx(${address})`)) return { own: [], shared: null }
  return handlers.length === 1
    ? { own: [{ number: line, kind: 'line' }], shared: null }
    : { own: [], shared: line }
}

/** Who handles an interrupt, by the names that drivers give (Linux Documentation/ABI/testing/sysfs-kernel-irq, `actions`). */
function handlersOf(root: Root, irq: number): string[] {
  return (readAttribute(`${root}/sys/kernel/irq/${irq}/actions`) ?? '').split(',').filter(Boolean)
}

/** Whether an interrupt is this device's still, and nobody's besides. Takes as long whatever a guest has. */
export function hasInterrupt(root: Root, address: PciAddress, { number, kind }: DeviceInterrupt): boolean {
  const device = devicePath(root, address)
  if (kind === 'vector') {
    return lstatSync(`${device}/msi_irqs/${number}`, { throwIfNoEntry: false }) !== undefined
  }
  return readNumber(`${device}/irq`) === number && handlersOf(root, number).join() === `vfio-intx(${address})`
}

/**
 * Whether an interrupt is that of a device's slot, on VFIO, and nobody handles it any more: so it is when the QEMU that had
 * the device has ended.
 */
export function isIdleLine(root: Root, address: PciAddress, irq: number): boolean {
  return readNumber(`${devicePath(root, address)}/irq`) === irq && handlersOf(root, irq).length === 0
}

/** CPUs that an interrupt may go to; null when it is not there. */
export function affinityOf(root: Root, irq: number): CpuSet | null {
  return parseCpuSet(readAttribute(`${root}${affinityPath(irq)}`) ?? '-')
}

/** The file of an interrupt's CPUs (Linux Documentation/core-api/irq/irq-affinity.rst). */
export function affinityPath(irq: number): string {
  return `/proc/irq/${irq}/smp_affinity_list`
}

/** CPUs that an interrupt does go to, as far as the interrupt controller tells; else those that it may. */
export function effectiveAffinityOf(root: Root, irq: number): CpuSet | null {
  const effective = parseCpuSet(readAttribute(`${root}/proc/irq/${irq}/effective_affinity_list`) ?? '-')
  return effective === null || effective.length === 0 ? affinityOf(root, irq) : effective
}

/** How often each interrupt has come since boot, on all CPUs together (proc(5), /proc/interrupts). */
export function countsOf(text: string): ReadonlyMap<number, number> {
  const lines = text.split('\n')
  const cpus = (lines[0] ?? '').trim().split(/\s+/).length
  return new Map(
    lines.slice(1).flatMap((line): [number, number][] => {
      const [, number, rest = ''] = /^\s*(\d+):(.*)$/.exec(line) ?? []
      if (number === undefined) return []
      const counts = rest.trim().split(/\s+/).slice(0, cpus)
      return [[Number(number), counts.reduce((sum, count) => sum + Number(count), 0)]]
    }),
  )
}
