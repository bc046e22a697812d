import { openSysroot } from '../sysroot.js'
import { readCapturedChecks } from './captured.js'
import type { CheckFacts } from './facts.js'
import { readFileFacts, readOwners } from './files.js'
import { readKernelConfig } from './kernel-config.js'
import { readKernelLog } from './kernel-log.js'
import { readAllThreads, readDaemons } from './threads.js'

/** What checks ask for; `*` stands for any part of one name. */
export interface WantedChecks {
  /** Files whose text counts. */
  readonly files: readonly string[]
  /** Files whose owner and mode count. */
  readonly owners: readonly string[]
}

/**
 * Reads what the checks of a host look at. Nothing is written, and nothing is asked of a program.
 * @param sysroot `/`, or a directory with a captured host, of which threads, owners and limits come from its own file
 * @throws {UserError} exit 65 when the sysroot is no directory, 77 when this user may not get there
 */
export function readCheckFacts(sysroot: string, wanted: WantedChecks): CheckFacts {
  const root = openSysroot(sysroot)
  const files = readFileFacts(root, wanted.files)
  const kernelConfig = readKernelConfig(root)
  if (root !== '') {
    const { hidden, ...captured } = readCapturedChecks(root)
    const unread = [...hidden].map(([path, why]) => [path, { text: null, why }] as const)
    return { files: new Map([...files, ...unread]), kernelConfig, ...captured }
  }
  const { threads, why: whyNoThreads } = readAllThreads()
  const { lines: kernelLog, why: whyNoLog } = readKernelLog()
  const owners = readOwners(root, wanted.owners)
  return { files, kernelConfig, owners, threads, whyNoThreads, kernelLog, whyNoLog, daemons: readDaemons() }
}
