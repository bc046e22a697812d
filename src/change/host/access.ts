import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { readThread } from '../../host/check/threads.js'
import { runCommand } from '../../host/command.js'
import { readShortFile } from '../../host/short-file.js'
import { errorCode } from '../../host/sysfs.js'
import type { Root } from '../../host/sysroot.js'
import { formatCpuSet } from '../../units/cpu-set.js'
import { isKernelsFile } from './places.js'
import type { RuntimeChange } from './record.js'
import { policyText } from './settings.js'

/** What of a setting says which it is. */
type Target = Pick<RuntimeChange, 'kind' | 'target' | 'name'>

/** The kernel would not have it. The message says why, in its words. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/** How run-time values are read and set; a test puts a stand-in for the kernel here. */
export interface Access {
  /** @returns null when it is gone, or was never there */
  readonly read: (target: Target) => string | null
  /** @throws {Refused} */
  readonly write: (target: Target, text: string) => Promise<void> | void
}

/** The values of this host, or the files of one beneath a sysroot, whose threads are not there to be set. */
export function accessTo(root: Root): Access {
  return {
    read: (target) => {
      if (target.kind === 'file')
        return isKernelsFile(root, target.target) ? readShortFile(root + target.target) : null
      const thread = root === '' ? threadOf(target) : null
      if (thread === null) return null
      return target.kind === 'cpus' ? formatCpuSet(thread.cpus) : policyText(thread)
    },
    write: async (target, text) => {
      if (target.kind === 'file') return writeFile(root, target.target, text)
      const { failure } = await runCommand(threadCommand(target, text.trim()))
      // A thread that has ended needs no setting.
      if (failure !== null && !/No such process/.test(failure)) throw new Refused(failure.split('\n')[0])
    },
  }
}

/** A thread of the kernel's, if it is still that of this name: programs have other numbers and no such flag. */
function threadOf({ target, name }: Target) {
  const tid = Number(target)
  const thread = Number.isSafeInteger(tid) ? readThread(tid, tid) : null
  return thread?.isKernels && `${thread.name} (${tid})` === name ? thread : null
}

function threadCommand({ kind, target }: Target, text: string): string[] {
  if (kind === 'cpus') return ['taskset', '--pid', '--cpu-list', text, target]
  const [policy = 'other', priority = '0'] = text.split(' ')
  return ['chrt', `--${policy}`, '--pid', priority, target]
}

function writeFile(root: Root, path: string, text: string): void {
  if (!isKernelsFile(root, path)) throw new Refused('it is not a file of the kernel')
  try {
    // Files of the kernel's have no length to cut; copies of them do.
    const file = openSync(root + path, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW)
    try {
      writeSync(file, text)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw new Refused(errorCode(error) ?? String(error))
  }
}
