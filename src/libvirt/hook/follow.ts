import { closeSync, openSync } from 'node:fs'
import { leaveBehind } from '../../host/program.js'
import { isOf, type RecordedStart } from '../../record/root/change.js'
import { readRootsRecord } from '../../record/root/records.js'
import type { VmRecord } from '../../record/vm.js'
import { logToSystem } from '../../report/system-log.js'
import { summarizeInterrupts, type TuneOptions, tuneInterrupts, within } from '../../tune/interrupts.js'
import { interruptsToSet } from './interrupts.js'
import { logForDomain } from './log.js'

/** The operation that the hook calls itself with: none of libvirt's. */
export const FOLLOW = 'follow'

/**
 * How long after a VM's start new interrupts are looked for, and how often, in milliseconds: a guest's driver makes them when
 * it starts, and firmware has made others before.
 */
const FOLLOW_MS = 120_000
const LOOK_MS = 1000

/** Of the time, a look takes at most one part in so many: how much there is to look at is the guest's to say. */
const SHARE = 5

/** More different lines are not written into a domain's log. */
const MOST_LINES = 16

/**
 * Leaves a process behind that sets what the guest's drivers make in the next two minutes: libvirt calls no hook then. It
 * goes by root's record of this start, and ends with it.
 */
export async function leaveFollower(record: VmRecord): Promise<void> {
  const vm = interruptsToSet(record)
  if (vm === null) return
  const { execPath, versions, argv, env } = process
  const self = versions.bun === undefined ? [execPath, argv[1] ?? ''] : [execPath]
  const { pid, startTicks } = vm.process
  const nothing = openSync('/dev/null', 'r+')
  const failure = await leaveBehind([...self, 'hook', vm.id, FOLLOW, `${pid}-${startTicks}`], {
    descriptors: [nothing, nothing, nothing],
    env: { PATH: env.PATH, LC_ALL: 'C' },
  })
  closeSync(nothing)
  if (failure !== null) await logToSystem(`interrupts of later drivers will not be set: ${failure}`)
}

/**
 * Reads which start is to be followed.
 * @param process `4711-83411`: PID and start, in clock ticks after boot
 * @returns null when it is none
 */
export function followedStart(id: string, process: string): RecordedStart | null {
  const [, pid, startTicks] = /^(\d{1,15})-(\d{1,15})$/.exec(process) ?? []
  if (!/^[\w-]{8,64}$/.test(id) || pid === undefined || startTicks === undefined) return null
  return { id, process: { pid: Number(pid), startTicks: Number(startTicks) } }
}

export interface FollowOptions extends Omit<TuneOptions, 'told'> {
  readonly wait?: (ms: number) => Promise<void>
}

/**
 * Sets the interrupts that a VM's guest makes, for two minutes or as long as it lives, as root's record says each time. It
 * ends when that record is gone, or of another start.
 */
export async function followInterrupts(
  sysroot: string,
  start: RecordedStart,
  { goesOn = within(FOLLOW_MS, start), runProgram, wait = sleep }: FollowOptions = {},
): Promise<void> {
  let told: string | null = null
  const said = new Set<string>()
  while (goesOn()) {
    const began = Date.now()
    const record = readRootsRecord(sysroot, start.id)
    const vm = record !== null && isOf(record, start) ? interruptsToSet(record) : null
    if (record === null || vm === null) return
    const set = await tuneInterrupts(sysroot, vm, { told, goesOn, runProgram })
    told = set.told
    const name = record.guest.name ?? ''
    const lines = set.problems.map((problem) => `warning: guest '${name}': ${problem}`)
    const summary = set.changed === 0 ? null : summarizeInterrupts(set)
    if (summary !== null) lines.push(`guest '${name}': ${summary}; set by the hook`)
    for (const line of lines) {
      if (said.has(line) || said.size >= MOST_LINES) continue
      said.add(line)
      await logForDomain(name, line)
    }
    await wait(Math.max(LOOK_MS, (Date.now() - began) * (SHARE - 1)))
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
