import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { temporaryDirectory } from '../../launcher/launcher.js'

/** What tests of this folder run, besides what libvirt needs. */
export const COMPILER = ['cc']

/**
 * Compiles a C program, or library, that is beside this file.
 * @param name without `.c`
 * @param as file name of what is made, where every user can read it
 * @returns its path
 */
export function compile(t: Test, name: string, as: string): string {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  const made = join(directory, as)
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url))
  const shared = as.endsWith('.so') ? ['-shared', '-fPIC'] : []
  execFileSync('cc', ['-O1', '-pthread', ...shared, '-o', made, source])
  return made
}
