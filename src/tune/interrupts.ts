import { type InterruptsSet, type RunProgram, setInterrupts } from '../change/interrupts.js'
import { banInterrupts } from '../change/irqbalance.js'
import { hasInterrupt, interruptsOf } from '../host/interrupts.js'
import type { Root } from '../host/sysroot.js'
import { devicesOpenedBy } from '../host/use/open-nodes.js'
import type { InterruptSetting } from '../plan/interrupts.js'
import type { TakenDevice } from '../record/vm.js'
import { formatCpuSet } from '../units/cpu-set.js'

/** A VM whose devices' interrupts are to be set. */
export interface InterruptsOfVm {
  readonly pid: number
  readonly interrupts: readonly InterruptSetting[]
  /** What root has changed for it before. */
  readonly undo: readonly TakenDevice[]
}

/** What became of a VM's interrupts, for its log. */
export interface TunedInterrupts extends InterruptsSet {
  /** What was refused, and what irqbalance did not take; a line each. */
  readonly problems: readonly string[]
}

/**
 * Sets the interrupts that a VM's devices have now, and has irqbalance leave them alone. Of the devices that are planned
 * only those that its QEMU has open: one that was unplugged may be another VM's.
 * @param keep is given what is to be undone, before each change
 */
export async function tuneInterrupts(
  root: Root,
  { pid, interrupts, undo }: InterruptsOfVm,
  keep: (undo: readonly TakenDevice[]) => void,
  runProgram?: RunProgram,
): Promise<TunedInterrupts> {
  const settings = ofOpened(root, pid, interrupts)
  let kept = undo
  const set = await setInterrupts(
    root,
    settings,
    (made) => {
      kept = mergeUndo(root, undo, made)
      keep(kept)
    },
    runProgram,
  )
  const now = interruptsSetFor({ undo: kept })
  const before = interruptsSetFor({ undo })
  const problems = await banInterrupts(
    root,
    now,
    before.filter((irq) => !now.includes(irq)),
  )
  return { ...set, problems: [...describeRefused(set), ...problems] }
}

/** Numbers of the interrupts that were set for a VM. */
export function interruptsSetFor({ undo }: Pick<InterruptsOfVm, 'undo'>): number[] {
  return undo.flatMap((one) => one.interrupts?.map(({ irq }) => irq) ?? [])
}

function ofOpened(root: Root, pid: number, interrupts: readonly InterruptSetting[]): InterruptSetting[] {
  if (interrupts.length === 0) return []
  const opened = devicesOpenedBy(root, pid)
  return interrupts.filter(({ address }) => opened.includes(address))
}

/** The commands that would set what is there now, for a shell. */
export function interruptCommands(
  root: Root,
  { pid, interrupts }: Pick<InterruptsOfVm, 'pid' | 'interrupts'>,
): string[] {
  return ofOpened(root, pid, interrupts).flatMap(({ address, cpus }) =>
    cpus === null
      ? []
      : interruptsOf(root, address).own.map(
          ({ number }) =>
            `echo ${formatCpuSet(cpus)} >/proc/irq/${number}/smp_affinity_list  # interrupt of ${address}`,
        ),
  )
}

/** Interrupts with the same cause together. */
function describeRefused({ refused }: InterruptsSet): string[] {
  const causes = new Map<string, number[]>()
  for (const { address, irq, why } of refused) {
    const cause = `of ${address} cannot be set: ${why}`
    causes.set(cause, [...(causes.get(cause) ?? []), irq])
  }
  return [...causes].map(([cause, irqs]) => `interrupt ${formatCpuSet(irqs)} ${cause}`)
}

/** What is to be undone: as an interrupt was first. Those that are gone have nothing to go back to. */
function mergeUndo(
  root: Root,
  before: readonly TakenDevice[],
  made: readonly TakenDevice[],
): readonly TakenDevice[] {
  const fresh = new Map(made.map((one) => [one.address, one.interrupts ?? []]))
  const known = before.flatMap((one) => {
    const old = one.interrupts?.filter(({ irq }) => hasInterrupt(root, one.address, irq)) ?? []
    const added = (fresh.get(one.address) ?? []).filter(({ irq }) => !old.some((other) => other.irq === irq))
    fresh.delete(one.address)
    const { interrupts: _, ...rest } = one
    if (old.length + added.length > 0) return [{ ...rest, interrupts: [...old, ...added] }]
    return Object.keys(rest).length === 1 ? [] : [rest]
  })
  return [...known, ...[...fresh].map(([address, interrupts]) => ({ address, interrupts }))]
}

/** What was done, for a log: `3 interrupts of NICs set`. */
export function summarizeInterrupts({ count, refused }: InterruptsSet): string | null {
  if (count === 0) return null
  const set = count - refused.length
  return `${set} of ${count} ${count === 1 ? 'interrupt' : 'interrupts'} of its devices ${set === 1 ? 'is' : 'are'} as planned`
}
