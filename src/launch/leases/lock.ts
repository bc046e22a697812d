import { spawn } from 'node:child_process'
import { flockMissing, leasesBusy } from '../../errors/leases.js'

/** Far longer than all launches of a host starting at once take together. */
const PATIENCE_SECONDS = 120

/**
 * Runs something while no other launch changes the leases.
 *
 * A JavaScript runtime has no flock(2), so a `cat` holds the lock: flock becomes it, and it ends with its stdin, which
 * the kernel closes however this process ends.
 * @param directory what is locked
 * @throws {UserError} exit 69 when the lock cannot be had
 */
export async function withLock<T>(directory: string, run: () => T): Promise<T> {
  const holder = spawn('flock', ['-F', '-w', String(PATIENCE_SECONDS), directory, 'cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  try {
    await new Promise<void>((resolve, reject) => {
      holder.on('error', (error) => reject(flockMissing({ reason: error.message })))
      holder.on('exit', () => reject(leasesBusy({ directory, seconds: PATIENCE_SECONDS })))
      holder.stdin.on('error', () => {})
      // It comes back when cat runs, which is when the lock is held.
      holder.stdout.once('data', resolve)
      holder.stdin.write('\n')
    })
    return run()
  } finally {
    holder.removeAllListeners('exit')
    holder.stdin.end()
    holder.stdout.destroy()
    holder.unref()
  }
}
