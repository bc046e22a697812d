import { readHostFacts } from '../host/read.js'
import { openSysroot } from '../host/sysroot.js'
import { devicesOpenedBy } from '../host/use/open-nodes.js'
import { profileNamed } from '../plan/ask.js'
import {
  type GivenDevice,
  type InterruptSetting,
  planInterrupts,
  saysInterrupts,
} from '../plan/interrupts.js'
import { selectDevices } from '../plan/nics/select.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import { rewriteLease } from '../record/leases/rewrite.js'
import { processId } from '../record/process-id.js'
import { withRootsLock } from '../record/root/lock.js'
import { processRecordId, readRootsRecords, writeRootsRecord } from '../record/root/records.js'
import type { VmRecord } from '../record/vm.js'
import { printable } from '../units/printable.js'
import { interruptCommands, summarizeInterrupts, tuneInterrupts } from './interrupts.js'
import { describeTarget, type RunningQemu } from './targets.js'
import type { Source } from './tune.js'

const HOST = openSysroot('/')

/** What is printed, and what could not be done. */
interface Said {
  readonly text: string
  readonly problems: readonly string[]
}

/**
 * Where the interrupts of a running VM's devices go: as its record says; by a profile those of the devices that the kernel
 * says its process has open.
 * @param threads what was planned for its threads
 * @throws {UserError} what `planInterrupts` throws
 */
export function interruptsFor(
  target: RunningQemu,
  source: Source,
  threads: ThreadPlan | null,
): readonly InterruptSetting[] {
  if (source.kind === 'selectors') return []
  if (source.kind === 'plan') return target.record?.interrupts ?? []
  const { policy, name } = source
  const profile = profileNamed(policy, name)
  if (!saysInterrupts(policy, profile)) return []
  const host = readHostFacts('/', { pci: true, cpus: true })
  const devices = devicesOpenedBy(HOST, target.pid).map((address): GivenDevice => {
    const recorded = target.record?.nics.find((nic) => nic.address === address)?.name
    const configured = Object.entries(policy.nics).find(([, selector]) =>
      selectDevices(selector, host).some((one) => one.address === address),
    )
    return { address, name: recorded ?? configured?.[0] ?? null }
  })
  return planInterrupts({ devices, policy, profile, threads, cpus: host.cpus })
}

/** The commands that would set them. */
export function showInterrupts({ pid }: RunningQemu, interrupts: readonly InterruptSetting[]): Said {
  const commands = interruptCommands(HOST, { pid, interrupts })
  return { text: commands.map((command) => `${command}\n`).join(''), problems: [] }
}

/** Sets them, as root alone can, and keeps in root's record of the VM what they were. */
export async function setInterruptsOf(
  target: RunningQemu,
  interrupts: readonly InterruptSetting[],
): Promise<Said> {
  if (process.geteuid?.() !== 0) {
    return { text: '', problems: ['only root can set the interrupts of its devices: run tune as root'] }
  }
  const { pid } = target
  const known = update(target, { interrupts })
  const set = await tuneInterrupts(HOST, { pid, interrupts, undo: known?.undo ?? [] }, (undo) => {
    update(target, { undo })
  })
  const summary =
    summarizeInterrupts(set) ??
    'its devices have no interrupts yet: run tune again when its guest has started'
  return { text: `${printable(`${describeTarget(target)}: ${summary}`)}\n`, problems: set.problems }
}

/** Writes what has changed into root's record of a VM, or into that of root's own launch. @returns the record; null for none */
function update(
  { pid, record }: RunningQemu,
  change: Partial<Pick<VmRecord, 'interrupts' | 'undo'>>,
): VmRecord | null {
  const id = record?.id ?? processRecordId(processId(pid))
  const written = withRootsLock('/', () => {
    const latest = readRootsRecords('/', () => {}).find((one) => one.id === id)
    if (latest === undefined) return null
    const next = { ...latest, ...change }
    if (JSON.stringify(next) !== JSON.stringify(latest)) writeRootsRecord('/', next)
    return next
  })
  if (written !== null || record === null) return written
  const { word: _, ...own } = record
  return rewriteLease('/', own, (latest) => {
    const next = { ...latest, ...change }
    return JSON.stringify(next) === JSON.stringify(latest) ? latest : next
  })
}
