import { findOptions, mergedValue, propertiesAt } from '../../argv/command-line.js'
import { parseSwitch } from '../../argv/properties.js'
import { lockExcludesVirtioMem, lockLimitTooLow } from '../../errors/memory.js'
import { formatBytes } from '../../units/bytes.js'
import type { Edit } from '../edit.js'
import { guestRamBytes } from '../memory/guest-ram.js'
import { virtioMemDevices } from '../memory/virtio-mem.js'
import type { Pass, PassInput } from '../pass.js'

/**
 * Has QEMU lock its memory, so that no page fault waits for a disk. Checks the limit first: QEMU fails with "locking
 * memory failed" only after it has allocated all of it.
 */
export const memoryLock: Pass = {
  name: 'memory-lock',
  run(input) {
    if (input.profile?.settings.lockMemory !== true) return { edits: [] }
    const [device] = virtioMemDevices(input.line)
    // Every QEMU refuses to start with both, also with mem-lock=on-fault (seen with 7.2, 10.0 and 11.1).
    if (device !== undefined) {
      throw lockExcludesVirtioMem({ profile: input.profile.name, device: device.user })
    }
    checkLimit(input, input.profile.name)
    return { edits: lockEdit(input) }
  },
}

function lockEdit({ line }: PassInput): Edit[] {
  const asked = mergedValue(line, 'overcommit', 'mem-lock')
  // on-fault (QEMU 10.0) was somebody's decision; -realtime mlock=on is what it was called before 6.0.
  if (parseSwitch(asked) === true || asked === 'on-fault') return []
  if (parseSwitch(mergedValue(line, 'realtime', 'mlock')) === true) return []
  const reason = 'the profile locks the VM in memory, so that no page fault waits for a disk'
  const last = findOptions(line, 'overcommit').at(-1)
  if (last === undefined) return [{ kind: 'append', option: 'overcommit', argument: 'mem-lock=on', reason }]
  const argument = propertiesAt(line, last.index).set('mem-lock', true).text
  return [{ kind: 'replace', index: last.index, argument, reason }]
}

/** mlockall(2) fails when all that QEMU has mapped is more than the limit: its RAM, and more besides. */
function checkLimit({ line, arch, host }: PassInput, profile: string): void {
  const limit = host.memoryLockLimit
  if (limit === null || limit === 'unlimited') return
  const ram = guestRamBytes(line, arch)
  if (limit > ram) return
  throw lockLimitTooLow({ profile, ram: formatBytes(ram), limit: formatBytes(limit) })
}
