import { type CommandLine, findOptions, mergedValue, propertiesAt } from '../../argv/command-line.js'
import { parseProperties } from '../../argv/properties.js'
import type { Edit } from '../edit.js'
import { baseRamBytes, baseRamUses, memoryBackends } from './guest-ram.js'
import { defaultMachine, defaultRam } from './machines.js'

export interface BaseRam {
  readonly edits: readonly Edit[]
  readonly warnings: readonly string[]
}

/** The id for a machine type whose own one is not known; it only has to be the same at both ends of a migration. */
const UNKNOWN_RAM_ID = 'qemu-rt.ram'
const DEFAULT_BYTES = 128n << 20n

/**
 * Gives base RAM that QEMU would allocate by itself a shared backend: plain `-m`, `-mem-path`, and legacy
 * `-numa node,mem=`, which only divides the machine's one RAM between nodes. The id is the machine type's own, because
 * it is the name that migration knows the RAM by (QEMU 5.0, MachineClass.default_ram_id).
 * @returns no edits when the command line names backends for its base RAM, or is for no machine
 */
export function shareBaseRam(line: CommandLine, arch: string): BaseRam {
  const machine = mergedValue(line, 'machine', 'type') ?? defaultMachine(arch)
  if (baseRamUses(line).length > 0 || machine === 'none') return { edits: [], warnings: [] }
  const known = defaultRam(arch, machine)
  const id = freeId(line, known?.id ?? UNKNOWN_RAM_ID)
  const size = baseRamBytes(line) ?? known?.bytes ?? DEFAULT_BYTES
  const warnings =
    known === null
      ? [
          `machine type '${machine ?? 'unknown'}': name of its RAM not known, '${id}' is used; migration needs the same`,
        ]
      : []
  return { edits: [...backend(line, id, size), machineEdit(line, id)], warnings }
}

function backend(line: CommandLine, id: string, size: bigint): Edit[] {
  const memPaths = findOptions(line, 'mem-path')
  const path = memPaths.at(-1)?.option.argument?.text
  const type = path === undefined ? 'memory-backend-memfd' : 'memory-backend-file'
  const object = parseProperties('', 'qom-type', false).set('id', id).set('size', size)
  const placed = path === undefined ? object : object.set('mem-path', path)
  return [
    ...memPaths.map(({ index }): Edit => {
      return {
        kind: 'remove',
        index,
        reason: 'QEMU takes either -mem-path or a memory backend; the backend has the path',
      }
    }),
    {
      kind: 'append',
      option: 'object',
      argument: `${type},${placed.set('share', true).text}`,
      reason:
        path === undefined
          ? 'RAM that QEMU allocates by itself is private; a vhost-user back end cannot map it'
          : '-mem-path maps privately, which starts without an error and then moves no packet',
    },
  ]
}

function machineEdit(line: CommandLine, id: string): Edit {
  const reason = `the guest's RAM is the shared backend '${id}'`
  const last = findOptions(line, 'machine').at(-1)
  if (last === undefined)
    return { kind: 'append', option: 'machine', argument: `memory-backend=${id}`, reason }
  const argument = propertiesAt(line, last.index).set('memory-backend', id).text
  return { kind: 'replace', index: last.index, argument, reason }
}

/** A backend that nothing uses may have the id already; two objects of one id do not start. */
function freeId(line: CommandLine, id: string): string {
  const taken = memoryBackends(line).some((backend) => backend.id === id)
  return taken ? freeId(line, `${id}-base`) : id
}
