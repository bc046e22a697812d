import { isSameProcess } from '../host/process.js'
import { openSysroot } from '../host/sysroot.js'
import { withRootsLock } from '../record/root/lock.js'
import { readRootsRecords, writeRootsRecord } from '../record/root/records.js'
import type { ProcessId, TakenDevice, VmRecord } from '../record/vm.js'
import { tuneInterrupts } from './interrupts.js'

/**
 * How long after a VM's start new interrupts are looked for, and how often: a guest's driver makes them when it starts, and
 * firmware has made others before.
 */
const FOLLOW_MS = 120_000
const LOOK_MS = 1000

const HOST = openSysroot('/')

/** Sets the interrupts of a VM that root has launched, for two minutes or as long as it lives. */
export async function followInterrupts({ interrupts = [] }: VmRecord, process: ProcessId): Promise<void> {
  let undo: readonly TakenDevice[] = []
  await follow(process, async () => {
    await tuneInterrupts(HOST, { pid: process.pid, interrupts, undo }, (changed) => {
      undo = changed
    })
    return true
  })
}

/**
 * The same for a VM of root's records, as the record says each time, where it keeps what they were.
 * @param id of the record
 */
export async function followRecorded(id: string): Promise<void> {
  const latest = () => readRootsRecords('/', () => {}).find((record) => record.id === id)
  const process = latest()?.process ?? null
  if (process === null) return
  await follow(process, async () => {
    const record = latest()
    if (record === undefined) return false
    const { interrupts = [], undo } = record
    await tuneInterrupts(HOST, { pid: process.pid, interrupts, undo }, (changed) =>
      withRootsLock('/', () => {
        const now = latest()
        // The domain may have been released meanwhile.
        if (now !== undefined) writeRootsRecord('/', { ...now, undo: changed })
      }),
    )
    return true
  })
}

/** @param look whether to go on */
async function follow(process: ProcessId, look: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + FOLLOW_MS
  while (Date.now() < end && isSameProcess(process) && (await look())) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}
