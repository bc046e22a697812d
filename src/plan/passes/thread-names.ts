import { findOptions, mergedValue, propertiesAt } from '../../argv/command-line.js'
import { parseSwitch } from '../../argv/properties.js'
import type { Pass } from '../pass.js'

/**
 * Makes QEMU name its threads (`CPU 0/KVM`, `IO iothread1`, …): without names a vCPU thread cannot be told from a
 * worker. An `off` that somebody wrote stays, unless a profile wants the threads placed.
 */
export const threadNames: Pass = {
  name: 'thread-names',
  run({ line, profile }) {
    const named = parseSwitch(mergedValue(line, 'name', 'debug-threads'))
    if (named === true || (named === false && profile === null)) return { edits: [] }
    const reason = 'QEMU names its threads, so that vCPU, I/O and worker threads can be told apart'
    const last = findOptions(line, 'name').at(-1)
    if (last === undefined) {
      return { edits: [{ kind: 'append', option: 'name', argument: 'debug-threads=on', reason }] }
    }
    const argument = propertiesAt(line, last.index).set('debug-threads', true).text
    return { edits: [{ kind: 'replace', index: last.index, argument, reason }] }
  },
}
