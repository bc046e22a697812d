import { spawn } from 'node:child_process'
import { chmodSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { programOf } from '../../src/tune/program.js'
import { waitFor } from '../e2e/wait.js'
import { temporaryDirectory } from '../launcher/launcher.js'

/** A process that runs a file of this name, and sleeps. @returns its PID */
export async function running(t: Test, name: string): Promise<number> {
  const file = join(temporaryDirectory(t), name)
  copyFileSync('/bin/sleep', file)
  chmodSync(file, 0o755)
  const child = spawn(file, ['60'], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  const pid = child.pid ?? 0
  await waitFor('it to run', 10, () => programOf(pid) === file)
  return pid
}
