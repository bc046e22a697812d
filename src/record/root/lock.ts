import { closeSync, fstatSync, lstatSync, rmSync } from 'node:fs'
import { recordNotWritable, recordsBusy } from '../../errors/record.js'
import { lock, openLockFile } from '../lock.js'
import { ensureRootsDirectory } from './directory.js'

/** Long enough for who has it to ask irqbalance, and short enough for a hook that must give NICs back. */
const BANS_PATIENCE_SECONDS = 4

/** Less than what a hook has for a start, and longer than one takes. */
const START_PATIENCE_SECONDS = 30

/** Only root can hold this lock, and does so while it chooses, or gives devices back: many domains may start at once. */
const PATIENCE_SECONDS = 60

/**
 * Runs something while no other process of root's changes its records. The file that is locked is closed to everybody
 * else: who can open a file can lock it (flock(2)).
 * @throws {UserError} exit 69 when the lock cannot be had, 77 when its file cannot be opened
 */
export function withRootsLock<T>(sysroot: string, run: () => T, patienceSeconds = PATIENCE_SECONDS): T {
  const path = `${ensureRootsDirectory(sysroot)}/.lock`
  const file = openLockFile(path, recordNotWritable)
  try {
    if (!lock(file, 'exclusive', patienceSeconds)) throw recordsBusy({ path, seconds: patienceSeconds })
    return run()
  } finally {
    closeSync(file)
  }
}

/**
 * Runs something while no other process of root's changes what irqbalance is told, or which of that is ours.
 * @throws {UserError} exit 69 when the lock cannot be had, 77 when its file cannot be opened
 */
export async function withBansLock<T>(sysroot: string, run: () => Promise<T>): Promise<T> {
  const path = `${ensureRootsDirectory(sysroot)}/.irqbalance`
  const file = openLockFile(path, recordNotWritable)
  try {
    if (!lock(file, 'exclusive', BANS_PATIENCE_SECONDS))
      throw recordsBusy({ path, seconds: BANS_PATIENCE_SECONDS })
    return await run()
  } finally {
    closeSync(file)
  }
}

/**
 * Runs something while no other process of root's prepares the same VM: a libvirtd that was killed leaves its hook behind, and
 * the next one may start the domain again meanwhile.
 * @param id of the VM's record
 * @throws {UserError} exit 69 when the lock cannot be had, 77 when its file cannot be opened
 */
export async function withStartLock<T>(sysroot: string, id: string, run: () => Promise<T>): Promise<T> {
  const path = `${ensureRootsDirectory(sysroot)}/.${id}.lock`
  for (;;) {
    const file = openLockFile(path, recordNotWritable)
    try {
      if (!lock(file, 'exclusive', START_PATIENCE_SECONDS))
        throw recordsBusy({ path, seconds: START_PATIENCE_SECONDS })
      // Who had it before has removed the file: another process may have a new one.
      if (lstatSync(path, { throwIfNoEntry: false })?.ino !== fstatSync(file).ino) continue
      try {
        return await run()
      } finally {
        rmSync(path, { force: true })
      }
    } finally {
      closeSync(file)
    }
  }
}
