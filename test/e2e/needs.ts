import { delimiter, join } from 'node:path'
import type { Test } from 'tap'
import { isExecutable } from '../../src/host/executable.js'

/** Programs such as libvirtd are there, where a user's PATH often does not look. */
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/**
 * Whether the programs that a test runs are installed. When one is not, the test is skipped with its name; with CI in
 * the environment it fails instead, so that a runner that installs too little is noticed.
 * @param programs names as in PATH, or absolute paths
 * @returns false when the test has nothing to run and should return
 */
export function needs(t: Test, programs: readonly string[]): boolean {
  const missing = programs.filter((program) => !isInstalled(program))
  if (missing.length === 0) return true
  return unmet(t, `not installed: ${missing.join(', ')}`)
}

/**
 * Skips the test with what it lacks; with CI in the environment it fails instead.
 * @returns false, for the test to return
 */
export function unmet(t: Test, message: string): false {
  if (process.env.CI) t.fail(message)
  else t.pass(message, { skip: message })
  return false
}

function isInstalled(program: string): boolean {
  if (program.startsWith('/')) return isExecutable(program)
  const path = (process.env.PATH ?? '').split(delimiter)
  return [...path, ...SYSTEM_DIRECTORIES].some((directory) => isExecutable(join(directory, program)))
}
