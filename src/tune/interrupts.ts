import { type InterruptsSet, MOST_INTERRUPTS, type RunProgram, setInterrupts } from '../change/interrupts.js'
import { UserError } from '../errors/user-error.js'
import { isSameProcess } from '../host/process.js'
import { openSysroot } from '../host/sysroot.js'
import { devicesOpenedBy } from '../host/use/open-nodes.js'
import type { InterruptSetting } from '../plan/interrupts.js'
import { changeRootsRecord, type RecordedStart } from '../record/root/change.js'
import type { TakenDevice } from '../record/vm.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { banFor } from './bans.js'

/** A start of a VM that has a record of root's, and what its devices' interrupts are to get. */
export interface InterruptsOfVm extends RecordedStart {
  readonly interrupts: readonly InterruptSetting[]
}

/** What became of a VM's interrupts, for its log. */
export interface TunedInterrupts extends InterruptsSet {
  /** What was refused, and what irqbalance did not take; a line each. */
  readonly problems: readonly string[]
  /** What irqbalance was told; null when it did not take it. */
  readonly told: string | null
}

/** How long one VM's interrupts are set at once, in milliseconds: libvirt waits for its hook. */
const MOST_MS = 5000

export interface TuneOptions {
  /** What irqbalance was told before, and need not be told again; null or absent for nothing. */
  readonly told?: string | null
  /** Whether to go on; by default for five seconds, as long as the process lives. */
  readonly goesOn?: () => boolean
  readonly runProgram?: RunProgram | undefined
}

/**
 * Sets the interrupts that a VM's devices have now, and has irqbalance leave them alone. Of the devices that root's record
 * names only those that its QEMU has open: one that was unplugged may be another VM's. What is to be put back is in that
 * record before it is changed; when there is none of this start, nothing is.
 */
export async function tuneInterrupts(
  sysroot: string,
  vm: InterruptsOfVm,
  { told = null, goesOn = within(MOST_MS, vm), runProgram }: TuneOptions = {},
): Promise<TunedInterrupts> {
  const unkept: string[] = []
  const record = (lines: readonly TakenDevice[]) => {
    try {
      const kept = changeRootsRecord(sysroot, vm, (latest) => ({
        ...latest,
        undo: withLines(latest.undo, lines),
      }))
      return kept !== null
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      unkept.push(error.message)
      return false
    }
  }
  const settings = openedOf(sysroot, vm)
  const set = await setInterrupts(openSysroot(sysroot), settings, { record, goesOn, runProgram })
  const now = set.placed.join()
  const untold = now === told ? [] : await banFor(sysroot, vm, set.placed)
  return {
    ...set,
    problems: unkept.length > 0 ? unkept : [...describeLeft(set), ...untold],
    told: untold.length === 0 ? now : null,
  }
}

/** Whether a VM's process lives and so many milliseconds have not passed. */
export function within(ms: number, { process }: RecordedStart): () => boolean {
  const end = Date.now() + ms
  return () => Date.now() < end && isSameProcess(process)
}

/** The settings of the devices that a VM's process has open. */
export function openedOf(
  sysroot: string,
  { process: { pid }, interrupts }: Pick<InterruptsOfVm, 'process' | 'interrupts'>,
): InterruptSetting[] {
  if (interrupts.length === 0) return []
  const { groups, own } = devicesOpenedBy(openSysroot(sysroot), pid)
  const opened = new Set([...groups, ...own])
  return interrupts.filter(({ address }) => opened.has(address))
}

/** Interrupts with the same cause together. */
function describeLeft({ refused, left, beyond }: InterruptsSet): string[] {
  const causes = new Map<string, number[]>()
  for (const { address, irq, why } of refused) {
    const cause = `of ${address} cannot be set: ${why}`
    causes.set(cause, [...(causes.get(cause) ?? []), irq])
  }
  return [
    ...[...causes].map(([cause, irqs]) => `interrupt ${formatCpuSet(irqs)} ${cause}`),
    ...(left === 0
      ? []
      : [`${left} interrupts of its devices are not set: it took too long, or it has ended`]),
    ...(beyond === 0
      ? []
      : [
          `${beyond} interrupts of its devices are not set: its guest makes more than ${MOST_INTERRUPTS}; give it fewer queues`,
        ]),
  ]
}

/** What is to be undone, with the lines as they were first. */
function withLines(undo: readonly TakenDevice[], lines: readonly TakenDevice[]): readonly TakenDevice[] {
  const known = undo.map((one) => {
    const line = lines.find(({ address }) => address === one.address)
    const isKnown = one.interrupts?.some(({ irq }) => irq === line?.interrupts?.[0]?.irq) ?? false
    return line === undefined || isKnown
      ? one
      : { ...one, interrupts: [...(one.interrupts ?? []), ...(line.interrupts ?? [])] }
  })
  return [...known, ...lines.filter(({ address }) => !undo.some((one) => one.address === address))]
}

/** What was done, for a log: `3 of 3 interrupts of its devices are as planned`; null when there are none. */
export function summarizeInterrupts({ count, refused, left, beyond }: InterruptsSet): string | null {
  if (count === 0) return null
  const set = count - refused.length - left - beyond
  return `${set} of ${count} ${count === 1 ? 'interrupt' : 'interrupts'} of its devices ${set === 1 ? 'is' : 'are'} as planned`
}
