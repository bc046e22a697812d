import { closeSync, constants, ftruncateSync, openSync, writeSync } from 'node:fs'
import { type InterruptThread, isThereStill, readInterruptThreads } from '../host/interrupt-threads.js'
import {
  affinityOf,
  affinityPath,
  type DeviceInterrupt,
  hasInterrupt,
  interruptsOf,
  isIdleLine,
} from '../host/interrupts.js'
import { run } from '../host/program.js'
import { errorCode } from '../host/sysfs.js'
import type { Root } from '../host/sysroot.js'
import { isOnVfioNow } from '../host/vfio.js'
import type { InterruptSetting } from '../plan/interrupts.js'
import type { TakenDevice } from '../record/vm.js'
import { type CpuSet, formatCpuSet } from '../units/cpu-set.js'
import type { PciAddress } from '../units/pci-address.js'
import { CHRT } from './threads.js'

/** An interrupt of a device that could not be set, and why. */
interface RefusedInterrupt {
  readonly address: PciAddress
  readonly irq: number
  readonly why: string
}

/** What became of the interrupts of a VM's devices. */
export interface InterruptsSet {
  /** How many there are that something is said of. */
  readonly count: number
  /** How many of them were otherwise. */
  readonly changed: number
  readonly refused: readonly RefusedInterrupt[]
  /** How many were left alone because it took too long, or the VM has ended. */
  readonly left: number
  /** How many more there are than are looked at. */
  readonly beyond: number
  /** Numbers of those that are to stay on their CPUs, also of those that were refused. */
  readonly placed: readonly number[]
}

/**
 * As many interrupts of one VM are looked at: a guest may make 2,048 for each device (PCI Express Base Specification,
 * "MSI-X Capability and Table Structure"), and each takes root some work.
 */
export const MOST_INTERRUPTS = 512

/** Runs util-linux's chrt; a test puts a stand-in for it here. */
export type RunProgram = typeof run

export interface SetOptions {
  /**
   * Is given the lines of slots that are to be changed, as they are, before any is. A vector has no before: it ends with its
   * QEMU. Nothing is changed when it says false.
   */
  readonly record: (lines: readonly TakenDevice[]) => boolean
  /** Asked before each interrupt. */
  readonly goesOn: () => boolean
  readonly runProgram?: RunProgram | undefined
}

interface OneInterrupt {
  readonly setting: InterruptSetting
  readonly interrupt: DeviceInterrupt
  readonly isOurs: () => boolean
}

/**
 * Sets the interrupts that devices have now. What the kernel refuses is told, and is no failure: some cannot be moved. One
 * that is gone meanwhile, as a guest's driver likes, is passed over. The work grows with the number of interrupts, and no
 * faster.
 * @param settings by device; one that VFIO does not have any more is left alone
 */
export async function setInterrupts(
  root: Root,
  settings: readonly InterruptSetting[],
  { record, goesOn, runProgram = run }: SetOptions,
): Promise<InterruptsSet> {
  const { all, refused } = findInterrupts(root, settings)
  const some = all.slice(0, MOST_INTERRUPTS)
  const placed = some.flatMap(({ setting, interrupt }) => (setting.cpus === null ? [] : [interrupt.number]))
  const found = { count: all.length + refused.length, placed, beyond: all.length - some.length }
  const nothing = { ...found, changed: 0, refused, left: some.length }
  const lines = linesBefore(root, some)
  if (lines.length > 0 && !record(lines)) return nothing
  const threads = some.some(({ setting }) => setting.priority !== null) ? readInterruptThreads(root) : null
  let changed = 0
  let done = 0
  for (const one of some) {
    if (!goesOn()) break
    done++
    const { setting, interrupt } = one
    const outcome = await setOne(root, one, threads?.get(interrupt.number) ?? [], runProgram)
    if (outcome === 'changed') changed++
    else if (outcome !== 'same' && outcome !== 'gone')
      refused.push({ address: setting.address, irq: interrupt.number, why: outcome.why })
  }
  return { ...found, changed, refused, left: some.length - done }
}

/** The interrupts of which something is said, and the lines that other devices share. */
function findInterrupts(
  root: Root,
  settings: readonly InterruptSetting[],
): { readonly all: readonly OneInterrupt[]; readonly refused: RefusedInterrupt[] } {
  const refused: RefusedInterrupt[] = []
  const all = settings.flatMap((setting) => {
    const { address } = setting
    if (!isOnVfioNow(root, address)) return []
    const { own, shared } = interruptsOf(root, address)
    if (shared !== null) refused.push({ address, irq: shared, why: 'other devices have this line, too' })
    return own.map((interrupt) => ({
      setting,
      interrupt,
      isOurs: () => hasInterrupt(root, address, interrupt),
    }))
  })
  return { all, refused }
}

/** The lines that are to be moved, with the CPUs that they have: they stay when their QEMU has ended. */
function linesBefore(root: Root, some: readonly OneInterrupt[]): TakenDevice[] {
  return some.flatMap(({ setting: { address, cpus }, interrupt: { number, kind }, isOurs }) => {
    if (kind !== 'line' || cpus === null) return []
    const now = affinityOf(root, number)
    if (now === null || formatCpuSet(now) === formatCpuSet(cpus) || !isOurs()) return []
    return [{ address, interrupts: [{ irq: number, cpus: now }] }]
  })
}

async function setOne(
  root: Root,
  { setting: { cpus, priority }, interrupt: { number }, isOurs }: OneInterrupt,
  threads: readonly InterruptThread[],
  runProgram: RunProgram,
): Promise<'changed' | 'same' | 'gone' | { readonly why: string }> {
  const now = affinityOf(root, number)
  if (now === null || !isOurs()) return 'gone'
  const isElsewhere = cpus !== null && formatCpuSet(now) !== formatCpuSet(cpus)
  const others =
    priority === null ? [] : threads.filter((one) => one.policy !== 'fifo' || one.priority !== priority)
  if (!isElsewhere && others.length === 0) return 'same'
  const whys: string[] = []
  if (isElsewhere) {
    const moved = moveInterrupt(root, number, cpus, isOurs)
    if (typeof moved === 'object') whys.push(moved.why)
  }
  for (const thread of others) {
    const failure = await schedule(root, thread, isOurs, priority ?? 0, runProgram)
    if (failure !== null) whys.push(failure)
  }
  if (!isOurs()) return 'gone'
  return whys.length === 0 ? 'changed' : { why: whys.join('; ') }
}

/**
 * Sets an interrupt's thread. One that is there after the interrupt was seen to be the device's has been the device's all
 * the time.
 * @returns what the kernel says against it; null when that is nothing, or the thread is gone
 */
async function schedule(
  root: Root,
  thread: InterruptThread,
  isOurs: () => boolean,
  priority: number,
  runProgram: RunProgram,
): Promise<string | null> {
  if (!isOurs() || !isThereStill(root, thread)) return null
  const failure = await runProgram(['chrt', CHRT.fifo, '--pid', String(priority), String(thread.tid)])
  return failure === null || /No such process/.test(failure) ? null : (failure.split('\n')[0] ?? '')
}

/**
 * Gives the line of a device's slot the CPUs that it had, if that is the device's still, or nobody's: so it is when the
 * QEMU that had the device has ended.
 */
export function undoInterrupts(root: Root, { address, interrupts = [] }: TakenDevice): void {
  if (!isOnVfioNow(root, address)) return
  for (const { irq, cpus } of interrupts) {
    const isOurs = () =>
      hasInterrupt(root, address, { number: irq, kind: 'line' }) || isIdleLine(root, address, irq)
    moveInterrupt(root, irq, cpus, isOurs)
  }
}

/**
 * Writes an interrupt's CPUs. A guest makes and frees vectors at any time, and another device may have the number then: the
 * file is opened, then the interrupt is seen to be the device's, then it is written. A file of an interrupt that was
 * freed since it was opened takes nothing any more (fs/proc/inode.c, use_pde: EIO), so what is written goes to that device or nowhere.
 */
function moveInterrupt(
  root: Root,
  irq: number,
  cpus: CpuSet,
  isOurs: () => boolean,
): 'done' | 'gone' | { readonly why: string } {
  try {
    const { O_WRONLY, O_NOFOLLOW } = constants
    const file = openSync(`${root}${affinityPath(irq)}`, O_WRONLY | O_NOFOLLOW)
    try {
      if (!isOurs()) return 'gone'
      // A copy of a host has a file there, of which the rest would stay.
      if (root !== '') ftruncateSync(file)
      writeSync(file, `${formatCpuSet(cpus)}\n`)
      return 'done'
    } finally {
      closeSync(file)
    }
  } catch (error) {
    const code = errorCode(error)
    if (code === null) throw error
    return isOurs() ? { why: WHY[code] ?? code } : 'gone'
  }
}

/** kernel/irq/proc.c, write_irq_affinity; kernel/irq/manage.c, irq_do_set_affinity. */
const WHY: Readonly<Record<string, string>> = {
  EIO: 'the kernel lets nobody move it (EIO)',
  EPERM: 'the kernel refuses it (EPERM)',
  ENOSPC: 'these CPUs have no free vectors (ENOSPC)',
}
