import { type CommandLine, findOptions, mergedValue, placeOf, propertiesAt } from '../../argv/command-line.js'
import { describePlace } from '../../errors/command-line.js'
import { parseInteger } from '../../units/integer.js'
import type { Edit } from '../edit.js'
import { backPlainRam, plainRam } from '../memory/base-ram.js'
import {
  type Backend,
  type BackendUse,
  backendUses,
  machineType,
  memoryBackends,
} from '../memory/guest-ram.js'
import { isShared, shareBackend } from '../memory/sharing.js'
import { vhostUserDevices } from '../memory/vhost-user-devices.js'
import type { Pass, PassInput, PassResult } from '../pass.js'
import { type Warning, warning } from '../warning.js'

/**
 * Makes all guest RAM shared, with a descriptor, when a vhost-user device is there: its back end (a switch, a storage
 * daemon) maps the guest's memory. `share = "always"` does it without such a device, `"never"` leaves all alone.
 */
export const sharedMemory: Pass = {
  name: 'shared-memory',
  run(input) {
    const { line, profile } = input
    const share = profile?.settings.share ?? 'auto'
    const devices = vhostUserDevices(line)
    if (share === 'never') return { edits: [], warnings: neverWarning(line, devices, profile?.name ?? '') }
    if (share === 'auto' && devices.length === 0) return { edits: [] }
    return shareAll(input)
  },
}

function shareAll(input: PassInput): PassResult {
  const { line, arch } = input
  const base = sharePlainRam(input)
  const uses = backendUses(line)
  const backends = memoryBackends(line)
  const machine = machineType(line, arch)
  const usesOf = byBackend(uses)
  const results = backends.map((backend) => {
    const label = () => `memory backend '${backend.id}' of ${describePlace(placeOf(line, backend.index))}`
    return shareOne(label, backend, usesOf.get(backend.id) ?? [], machine)
  })
  const edits = [...results.flatMap(({ edits }) => edits), ...base.edits]
  return {
    edits,
    warnings: [
      ...missing(uses, backends),
      ...results.flatMap(({ warnings = [] }) => warnings),
      ...(base.warnings ?? []),
      // Who has shared it all, as libvirt does, shares what comes later, too.
      ...(edits.length === 0 ? [] : laterWarning(line)),
    ],
  }
}

function byBackend(uses: readonly BackendUse[]): ReadonlyMap<string, readonly BackendUse[]> {
  const groups = new Map<string, BackendUse[]>()
  for (const use of uses) {
    const group = groups.get(use.id)
    if (group === undefined) groups.set(use.id, [use])
    else group.push(use)
  }
  return groups
}

function sharePlainRam(input: PassInput): PassResult {
  const { line } = input
  const ram = plainRam(input)
  if (ram === null) return { edits: [] }
  const { path, warnings } = ram
  const edits =
    path === null
      ? backPlainRam(
          line,
          ram,
          'memory-backend-memfd',
          { share: true },
          'RAM that QEMU allocates by itself is private; a vhost-user back end cannot map it',
        )
      : backPlainRam(
          line,
          ram,
          'memory-backend-file',
          { 'mem-path': path, share: true },
          '-mem-path maps privately, which starts without an error and then moves no packet',
        )
  return { edits, warnings }
}

function shareOne(
  label: () => string,
  backend: Backend,
  uses: readonly BackendUse[],
  machine: string | null,
): PassResult {
  if (!uses.some(({ guestRam }) => guestRam))
    return { edits: [], warnings: aloneWarnings(label(), backend, uses) }
  const { argument, reason, leftAlone } = shareBackend(backend, machine)
  if (leftAlone !== null) return { edits: [], warnings: [noData(`${label()} is left alone: ${leftAlone}`)] }
  const edit: Edit[] = argument === null ? [] : [{ kind: 'replace', index: backend.index, argument, reason }]
  return { edits: edit }
}

/** Speaks up about memory that stays private, when that could surprise. */
function aloneWarnings(label: string, backend: Backend, uses: readonly BackendUse[]): Warning[] {
  if (isShared(backend)) return []
  if (uses.length === 0) {
    const text = `${label} is used by nothing here and stays private; a memory device plugged in later needs it shared`
    return [warning('private-later', text)]
  }
  return uses.flatMap(({ user, because }): Warning[] =>
    because === null
      ? []
      : [warning('kept', `${label} is left alone and stays private: ${user} uses it; ${because}`)],
  )
}

/** DIMMs have slots of their own; a virtio-mem device takes none (QEMU hw/mem/pc-dimm.c). */
function laterWarning(line: CommandLine): Warning[] {
  const slots = parseInteger(mergedValue(line, 'm', 'slots') ?? '0') ?? 0n
  const dimms = findOptions(line, 'device').filter(({ index }) =>
    SLOTTED.includes(propertiesAt(line, index).get('driver') ?? ''),
  )
  if (!(slots > dimms.length)) return []
  const text =
    "-m has slots left: a DIMM that is plugged in later must be shared, too; in a domain by <access mode='shared'/>, by hand with object_add memory-backend-memfd,share=on"
  return [warning('private-later', text)]
}

const SLOTTED: readonly string[] = ['pc-dimm', 'nvdimm', 'spapr-nvdimm']

/** A vhost-user device may move no packet. */
function noData(text: string): Warning {
  return warning('no-data', text)
}

function missing(uses: readonly BackendUse[], backends: readonly Backend[]): Warning[] {
  const present = new Set(backends.map(({ id }) => id))
  const absent = uses.filter(({ id, guestRam }) => guestRam && !present.has(id))
  return absent.map(({ id, user }) =>
    noData(`${user} names the memory backend '${id}', which is not on the command line; it must be shared`),
  )
}

function neverWarning(line: CommandLine, devices: readonly string[], profile: string): Warning[] {
  const [first] = devices
  if (first === undefined) return []
  const backends = memoryBackends(line)
  const ram = backendUses(line).filter(({ guestRam }) => guestRam)
  const allShared =
    ram.length > 0 &&
    ram.every(({ id }) => backends.some((backend) => backend.id === id && isShared(backend)))
  return allShared
    ? []
    : [
        noData(
          `profile '${profile}' has share = "never", so guest RAM stays private and ${first} will move no data`,
        ),
      ]
}
