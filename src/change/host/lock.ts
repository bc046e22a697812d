import { closeSync } from 'node:fs'
import { applyBusy, hostNotChanged } from '../../errors/host-apply.js'
import type { Root } from '../../host/sysroot.js'
import { lock, openLockFile } from '../../record/lock.js'
import { ensureRootsDirectory } from '../../record/root/directory.js'

const PATIENCE_SECONDS = 30

/**
 * Runs something while no other process changes this host by `host apply` or `host undo`. The file is closed to everybody
 * else: who can open a file can lock it (flock(2)). A copy of a host has no lock.
 * @throws {UserError} exit 69 when the lock cannot be had, 77 when its file cannot be opened
 */
export async function withHostLock<T>(root: Root, run: () => Promise<T>): Promise<T> {
  if (root !== '') return run()
  const path = `${ensureRootsDirectory('/')}/.host-apply.lock`
  const file = openLockFile(path, hostNotChanged)
  try {
    if (!lock(file, 'exclusive', PATIENCE_SECONDS)) throw applyBusy({ path, seconds: PATIENCE_SECONDS })
    return await run()
  } finally {
    closeSync(file)
  }
}
