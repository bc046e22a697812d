import { findOptions, mergedValue, propertiesAt } from '../../argv/command-line.js'
import { parseSwitch } from '../../argv/properties.js'
import { lockLimitTooLow } from '../../errors/memory.js'
import { type Bytes, formatBytes } from '../../units/bytes.js'
import type { Edit } from '../edit.js'
import { guestRamBytes } from '../memory/guest-ram.js'
import { countMappings, ownBytes } from '../memory/locked.js'
import type { Pass, PassInput } from '../pass.js'

/**
 * Has QEMU lock its memory, so that no page fault waits for a disk. Checks the limit first, also for devices for which the
 * kernel pins all guest RAM: QEMU fails with "locking memory failed" or "VFIO_MAP_DMA failed: Cannot allocate memory" only
 * after it has allocated all of it.
 */
export const memoryLock: Pass = {
  name: 'memory-lock',
  run(input) {
    checkLimit(input)
    return { edits: input.profile?.settings.lockMemory === true ? lockEdit(input) : [] }
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

/** What is locked, as a message says it. */
interface Part {
  readonly what: string
  readonly bytes: Bytes
}

/** @throws {UserError} exit 77 when what is locked in one of the kernel's accounts is more than the limit */
function checkLimit({ line, arch, host, profile }: PassInput): void {
  const limit = host.memoryLockLimit
  if (limit === null || limit === 'unlimited') return
  const locks = profile?.settings.lockMemory === true
  const { groups, iommufds, vdpas } = countMappings(line, host.passed)
  if (!locks && groups + iommufds + vdpas === 0) return
  const ram = guestRamBytes(line, arch)
  const itself = { what: `the guest's RAM of ${formatBytes(ram)}`, bytes: ram }
  const own = { what: `about ${formatBytes(ownBytes(line))} of QEMU's own`, bytes: ownBytes(line) }
  const more = { what: 'the same for each device more that maps it', bytes: 0n }
  const mapped = (count: number, first: Part[]): Part[] => {
    if (count === 0) return first
    const all = first.length === 0 ? count - 1 : count
    const again = all === 0 ? [] : [{ ...more, bytes: ram * BigInt(all) }]
    return [...(first.length === 0 ? [itself] : first), ...again]
  }
  const accounts = [mapped(groups, locks ? [itself, own] : []), mapped(iommufds, []), mapped(vdpas, [])]
  const short = accounts.find(
    (parts) => parts.length > 0 && parts.reduce((sum, { bytes }) => sum + bytes, 0n) >= limit,
  )
  if (short === undefined) return
  const told = limit <= ram ? [itself] : short
  throw lockLimitTooLow({
    needed: told.map(({ what }) => what).join(', and '),
    limit: formatBytes(limit),
    where: locks && short === accounts[0] ? `lock-memory of profile '${profile.name}'` : BY_DEVICES,
  })
}

const BY_DEVICES = 'VFIO and vDPA map all of it for their devices'
