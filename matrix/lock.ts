import { spawn } from 'node:child_process'

/**
 * Locks a file until this process ends. `flock` keeps the lock for a `cat` that ends with our end of its pipe.
 * @returns false when another process has locked it
 */
export function takeLock(path: string): Promise<boolean> {
  const holder = ['--nonblock', path, 'sh', '-c', 'echo locked; exec cat >/dev/null']
  const child = spawn('flock', holder, { stdio: ['pipe', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => resolve(false))
    child.stdout.once('data', () => {
      resolve(true)
      child.unref()
      child.stdout.destroy()
    })
  })
}
