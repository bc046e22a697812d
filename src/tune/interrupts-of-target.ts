import { interruptsOf } from '../host/interrupts.js'
import { pidNamespace } from '../host/process.js'
import { readHostFacts } from '../host/read.js'
import { openSysroot } from '../host/sysroot.js'
import { devicesOpenedBy, isOpenElsewhere } from '../host/use/open-nodes.js'
import { profileNamed } from '../plan/ask.js'
import {
  type GivenDevice,
  type InterruptSetting,
  planInterrupts,
  saysInterrupts,
} from '../plan/interrupts.js'
import { selectDevices } from '../plan/nics/select.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import { readRootsLeases } from '../record/leases/read.js'
import { changeRootsRecord, type RecordedStart } from '../record/root/change.js'
import { withRootsLock } from '../record/root/lock.js'
import { processRecordId, readRootsRecord, writeRootsRecord } from '../record/root/records.js'
import { formatCpuSet } from '../units/cpu-set.js'
import type { PciAddress } from '../units/pci-address.js'
import { printable } from '../units/printable.js'
import { openedOf, summarizeInterrupts, tuneInterrupts } from './interrupts.js'
import { describeTarget, type RunningQemu } from './targets.js'
import type { Source } from './tune.js'

const HOST = openSysroot('/')

/** What is printed, and what could not be done. */
interface Said {
  readonly text: string
  readonly problems: readonly string[]
}

/** What a VM's devices' interrupts are to get, and devices that may be another VM's. */
export interface WantedInterrupts {
  readonly interrupts: readonly InterruptSetting[]
  readonly doubtful: readonly PciAddress[]
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
): WantedInterrupts {
  const nothing = { interrupts: [], doubtful: [] }
  if (source.kind === 'selectors') return nothing
  if (source.kind === 'plan') return { interrupts: target.record?.interrupts ?? [], doubtful: [] }
  const { policy, name } = source
  const profile = profileNamed(policy, name)
  if (!saysInterrupts(policy, profile)) return nothing
  const { sure, doubtful } = devicesOf(target)
  const host = readHostFacts('/', { pci: sure.length > 0, cpus: true })
  const devices = sure.map((address): GivenDevice => {
    const recorded = target.record?.nics.find((nic) => nic.address === address)?.name
    const configured = Object.entries(policy.nics).find(([, selector]) =>
      selectDevices(selector, host).some((one) => one.address === address),
    )
    return { address, name: recorded ?? configured?.[0] ?? null }
  })
  return { interrupts: planInterrupts({ devices, policy, profile, threads, cpus: host.cpus }), doubtful }
}

/**
 * Devices that a process has open, and so has, unless root has given them to another VM. A device's own node proves nothing
 * that others have open, too: any QEMU of the same user can open it.
 */
function devicesOf({ pid, record }: RunningQemu): {
  readonly sure: readonly PciAddress[]
  readonly doubtful: readonly PciAddress[]
} {
  const { groups, own } = devicesOpenedBy(HOST, pid)
  const given = new Set(record?.lease?.nics)
  const theirs = new Set(readRootsLeases('/').flatMap((lease) => (lease.pid === pid ? [] : lease.nics)))
  const isDoubtful = (address: PciAddress) => theirs.has(address) || isOpenElsewhere(HOST, address, pid)
  const byNode = own.filter((address) => !groups.includes(address))
  const doubtful = byNode.filter((address) => !given.has(address) && isDoubtful(address))
  return { sure: [...groups, ...byNode.filter((address) => !doubtful.includes(address))], doubtful }
}

/** The commands that would set them. */
export function showInterrupts(
  { pid, startTicks }: RunningQemu,
  { interrupts, doubtful }: WantedInterrupts,
): Said {
  const process = { pid, startTicks, namespace: pidNamespace() }
  const commands = openedOf('/', { process, interrupts }).flatMap(({ address, cpus }) =>
    cpus === null
      ? []
      : interruptsOf(HOST, address).own.map(
          ({ number }) =>
            `echo ${formatCpuSet(cpus)} >/proc/irq/${number}/smp_affinity_list  # interrupt of ${address}\n`,
        ),
  )
  return { text: commands.join(''), problems: describeDoubtful(doubtful) }
}

/** Sets them, as root alone can, and keeps in root's record of the VM what is to be put back. */
export async function setInterruptsOf(
  target: RunningQemu,
  { interrupts, doubtful }: WantedInterrupts,
): Promise<Said> {
  if (process.geteuid?.() !== 0) {
    return { text: '', problems: ['only root can set the interrupts of its devices: run tune as root'] }
  }
  const start = startOfTarget(target)
  if (!writeSettings(target, start, interrupts)) return { text: '', problems: describeDoubtful(doubtful) }
  const set = await tuneInterrupts('/', { ...start, interrupts })
  const summary =
    summarizeInterrupts(set) ??
    'its devices have no interrupts yet: run tune again when its guest has started'
  return {
    text: `${printable(`${describeTarget(target)}: ${summary}`)}\n`,
    problems: [...describeDoubtful(doubtful), ...set.problems],
  }
}

function describeDoubtful(doubtful: readonly PciAddress[]): string[] {
  return doubtful.map(
    (address) => `interrupts of ${address} are left alone: another process or VM has that device, too`,
  )
}

/** By its record, or as `tune --profile` has written one. */
function startOfTarget({ pid, startTicks, record }: RunningQemu): RecordedStart {
  if (record !== null) return { id: record.id, process: record.process }
  const process = { pid, startTicks, namespace: pidNamespace() }
  return { id: processRecordId(process), process }
}

/**
 * Writes into root's record of a VM where its interrupts go. One that root has launched has a lease, and gets a record beside
 * it, as with `tune --profile`: what is put back when a VM has ended is in records alone.
 * @returns false when the VM has ended
 */
function writeSettings(
  { record }: RunningQemu,
  start: RecordedStart,
  interrupts: readonly InterruptSetting[],
): boolean {
  if (record !== null) {
    withRootsLock('/', () => {
      const { word: _, ...own } = record
      if (readRootsRecord('/', start.id) === null) writeRootsRecord('/', own)
    })
  }
  return changeRootsRecord('/', start, (latest) => ({ ...latest, interrupts })) !== null
}
