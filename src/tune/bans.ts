import { type BanChange, changeBans, hasIrqbalance } from '../change/irqbalance.js'
import { UserError } from '../errors/user-error.js'
import { openSysroot } from '../host/sysroot.js'
import { changeRootsRecord, type RecordedStart } from '../record/root/change.js'
import { withBansLock } from '../record/root/lock.js'
import { readRootsRecords } from '../record/root/records.js'
import type { VmRecord } from '../record/vm.js'

/**
 * Has irqbalance leave a VM's interrupts alone, and those no more that the VM had before. Root's record says which of all
 * that irqbalance leaves alone is for this VM: what the administrator has told it stays when the VM ends.
 * @param irqs all that the VM has now
 * @returns what went wrong, a line each
 */
export async function banFor(
  sysroot: string,
  start: RecordedStart,
  irqs: readonly number[],
): Promise<string[]> {
  const root = openSysroot(sysroot)
  if (!hasIrqbalance(root)) return []
  const now = new Set(irqs)
  const choose = (banned: ReadonlySet<number>): BanChange => {
    const others = bannedForOthers(sysroot, start.id)
    let before: readonly number[] = []
    const record = changeRootsRecord(sysroot, start, (latest) => {
      before = latest.banned ?? []
      const known = new Set(before)
      // The kernel gives a number anew that another VM's vector had: when that VM's record goes, this one's must stay.
      const own = irqs.filter((irq) => !banned.has(irq) || known.has(irq) || others.has(irq))
      return { ...latest, banned: own }
    })
    if (record === null) return { add: [], remove: [] }
    return { add: irqs, remove: before.filter((irq) => !now.has(irq) && !others.has(irq)) }
  }
  try {
    return await withBansLock(sysroot, () => changeBans(root, choose))
  } catch (error) {
    // It ends no VM.
    if (error instanceof UserError) return [error.message]
    throw error
  }
}

/**
 * Runs something that takes records away, and has irqbalance balance again what it left alone for their VMs alone.
 * @param take returns the records that are gone. It is run in any case
 * @returns what went wrong with irqbalance, a line each
 */
export async function unbanAfter(sysroot: string, take: () => readonly VmRecord[]): Promise<string[]> {
  const root = openSysroot(sysroot)
  const isTold = readRootsRecords(sysroot, () => {}).some(({ banned = [] }) => banned.length > 0)
  if (!isTold || !hasIrqbalance(root)) {
    take()
    return []
  }
  let isTaken = false
  const taken = () => {
    isTaken = true
    return take().flatMap(({ banned = [] }) => banned)
  }
  try {
    return await withBansLock(sysroot, () => {
      const irqs = taken()
      const others = bannedForOthers(sysroot, null)
      return changeBans(root, () => ({ add: [], remove: irqs.filter((irq) => !others.has(irq)) }))
    })
  } catch (error) {
    if (isTaken || !(error instanceof UserError)) throw error
    // Devices are given back whoever has that lock.
    taken()
    return [error.message]
  }
}

function bannedForOthers(sysroot: string, except: string | null): ReadonlySet<number> {
  const others = readRootsRecords(sysroot, () => {}).filter(({ id }) => id !== except)
  return new Set(others.flatMap(({ banned = [] }) => banned))
}
