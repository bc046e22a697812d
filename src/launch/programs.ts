import { programMissing } from '../errors/plan.js'
import { isExecutable } from '../host/executable.js'

/**
 * Checks that the programs are there that become QEMU one after the other: the shell that runs them has no words of ours for
 * one that is missing.
 * @param path the launcher's PATH
 * @throws {UserError} exit 69
 */
export function checkPrograms(chain: readonly (readonly string[])[], path: string | undefined): void {
  // The shell has a default of its own then.
  if (path === undefined) return
  for (const [program = ''] of chain) {
    const isThere = path.split(':').some((directory) => isExecutable(`${directory || '.'}/${program}`))
    if (!isThere) throw programMissing({ program, path })
  }
}
