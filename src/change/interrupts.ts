import { closeSync, constants, ftruncateSync, openSync, writeSync } from 'node:fs'
import type { SchedPolicy } from '../config/policy.js'
import { type InterruptThread, isThereStill, readInterruptThreads } from '../host/interrupt-threads.js'
import { affinityOf, affinityPath, hasInterrupt, interruptsOf, isIdleLine } from '../host/interrupts.js'
import { run } from '../host/program.js'
import { errorCode } from '../host/sysfs.js'
import type { Root } from '../host/sysroot.js'
import { isOnVfioNow } from '../host/vfio.js'
import type { InterruptSetting } from '../plan/interrupts.js'
import type { InterruptBefore, TakenDevice } from '../record/vm.js'
import { type CpuSet, formatCpuSet } from '../units/cpu-set.js'
import type { PciAddress } from '../units/pci-address.js'
import { makeAll, type Step } from './step.js'
import { CHRT } from './threads.js'

/** An interrupt of a device that could not be set, and why. */
export interface RefusedInterrupt {
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
}

/** One interrupt that is set, as it was before; its thread's scheduling null where that was left as it was. */
interface OneBefore extends InterruptBefore {
  readonly address: PciAddress
  readonly scheduling: Scheduling | null
}

interface Scheduling {
  readonly policy: SchedPolicy
  readonly priority: number
}

/** Runs util-linux's chrt; a test puts a stand-in for it here. */
export type RunProgram = typeof run

/**
 * Sets the interrupts that devices have now. What the kernel refuses is told, and is no failure: some cannot be moved. One
 * that is gone meanwhile, as a guest's driver likes, is passed over.
 * @param settings by device; one that VFIO does not have any more is left alone
 * @param record is given what is to be undone, before each change
 */
export async function setInterrupts(
  root: Root,
  settings: readonly InterruptSetting[],
  record: (before: readonly TakenDevice[]) => void,
  runProgram: RunProgram = run,
): Promise<InterruptsSet> {
  const refused: RefusedInterrupt[] = []
  let count = 0
  let changed = 0
  const threads = settings.some(({ priority }) => priority !== null) ? readInterruptThreads(root) : null
  const steps = settings.flatMap((setting) => {
    const { address } = setting
    if (!isOnVfioNow(root, address)) return []
    const { own, shared } = interruptsOf(root, address)
    count += own.length
    if (shared !== null) {
      refused.push({ address, irq: shared, why: 'other devices have this line, too' })
      count++
    }
    return own.map(({ number }) =>
      interruptStep(root, { irq: number, threads: threads?.get(number) ?? [] }, setting, runProgram, {
        changed: () => changed++,
        refused: (why) => refused.push({ address, irq: number, why }),
      }),
    )
  })
  await makeAll(steps, (made) => record(byDevice(made)))
  return { count, changed, refused }
}

interface Said {
  readonly changed: () => void
  readonly refused: (why: string) => void
}

interface Interrupt {
  readonly irq: number
  readonly threads: readonly InterruptThread[]
}

function interruptStep(
  root: Root,
  { irq, threads }: Interrupt,
  { address, cpus, priority }: InterruptSetting,
  runProgram: RunProgram,
  said: Said,
): Step<OneBefore> {
  const isOurs = () => hasInterrupt(root, address, irq)
  const others =
    priority === null ? [] : threads.filter((one) => one.policy !== 'fifo' || one.priority !== priority)
  return {
    look() {
      const now = affinityOf(root, irq)
      if (now === null) return null
      const isElsewhere = cpus !== null && formatCpuSet(now) !== formatCpuSet(cpus)
      const [thread] = others
      if (!isElsewhere && thread === undefined) return null
      const scheduling = thread === undefined ? null : { policy: thread.policy, priority: thread.priority }
      return { address, irq, cpus: isElsewhere ? now : null, scheduling }
    },
    async make() {
      const moved = cpus === null ? 'done' : moveInterrupt(root, irq, cpus, isOurs)
      const whys = moved === 'done' || moved === 'gone' ? [] : [moved.why]
      for (const thread of others) {
        const failure = await schedule(
          root,
          thread,
          isOurs,
          { policy: 'fifo', priority: priority ?? 0 },
          runProgram,
        )
        if (failure !== null) whys.push(failure)
      }
      if (!isOurs()) return
      if (whys.length === 0) said.changed()
      else said.refused(whys.join('; '))
    },
    async undo({ cpus, scheduling }) {
      if (cpus !== null) moveInterrupt(root, irq, cpus, isOurs)
      if (scheduling === null) return
      for (const thread of threads) await schedule(root, thread, isOurs, scheduling, runProgram)
    },
  }
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
  { policy, priority }: Scheduling,
  runProgram: RunProgram,
): Promise<string | null> {
  if (!isOurs() || !isThereStill(root, thread)) return null
  const failure = await runProgram(['chrt', CHRT[policy], '--pid', String(priority), String(thread.tid)])
  return failure === null || /No such process/.test(failure) ? null : (failure.split('\n')[0] ?? '')
}

/**
 * Gives a device's interrupts the CPUs that they had, those that are there still: vectors are gone with the QEMU that had
 * them, and the line of the device's slot stays.
 */
export function undoInterrupts(root: Root, { address, interrupts = [] }: TakenDevice): void {
  if (!isOnVfioNow(root, address)) return
  for (const { irq, cpus } of interrupts) {
    const isOurs = () => hasInterrupt(root, address, irq) || isIdleLine(root, address, irq)
    if (cpus !== null) moveInterrupt(root, irq, cpus, isOurs)
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

/** One entry a device. */
function byDevice(made: readonly OneBefore[]): TakenDevice[] {
  const devices = new Map<PciAddress, InterruptBefore[]>()
  for (const { address, irq, cpus } of made)
    devices.set(address, [...(devices.get(address) ?? []), { irq, cpus }])
  return [...devices].map(([address, interrupts]) => ({ address, interrupts }))
}
