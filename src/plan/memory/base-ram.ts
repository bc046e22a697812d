import { type CommandLine, findOptions, propertiesAt } from '../../argv/command-line.js'
import { type PropertyValue, parseProperties, setAll } from '../../argv/properties.js'
import { ramSizeUnknown } from '../../errors/memory.js'
import type { Bytes } from '../../units/bytes.js'
import type { Edit } from '../edit.js'
import type { PassInput } from '../pass.js'
import { type Warning, warning } from '../warning.js'
import { baseRamBytes, baseRamUses, machineType, memoryBackends } from './guest-ram.js'
import { defaultRam, hasNoRam } from './machines.js'
import { keepRamName } from './ram-name.js'

/**
 * Base RAM that no backend is named for, so that QEMU allocates it by itself: plain `-m`, `-mem-path`, and legacy
 * `-numa node,mem=`, which only divides the machine's one RAM between nodes.
 */
export interface PlainRam {
  /** The machine type's own id, which migration knows the RAM by (QEMU 5.0, MachineClass.default_ram_id). */
  readonly id: string
  readonly bytes: Bytes
  readonly machine: string | null
  /** Argument of `-mem-path`; null without. */
  readonly path: string | null
  readonly warnings: readonly Warning[]
}

/** The id for a machine type whose own one is not known; it only has to be the same at both ends of a migration. */
const UNKNOWN_RAM_ID = 'qemu-rt.ram'

/**
 * Finds the base RAM that QEMU would allocate by itself.
 * @returns null when the command line names backends for it, or is for no machine
 * @throws {UserError} exit 65 when nothing says how large the RAM is: other than the machine's own size would be another
 * machine for the guest
 */
export function plainRam({ line, arch }: Pick<PassInput, 'line' | 'arch'>): PlainRam | null {
  const machine = machineType(line, arch)
  if (baseRamUses(line).length > 0 || hasNoRam(machine)) return null
  const known = defaultRam(arch, machine)
  const bytes = baseRamBytes(line) ?? known?.bytes ?? null
  if (bytes === null) throw ramSizeUnknown({ machine })
  const id = freeId(line, known?.id ?? UNKNOWN_RAM_ID)
  const unknown = `machine type '${machine ?? 'unknown'}': name of its RAM not known, '${id}' is used; migration needs the same`
  return {
    id,
    machine,
    bytes,
    path: findOptions(line, 'mem-path').at(-1)?.option.argument?.text ?? null,
    warnings: known === null ? [warning('ram-name', unknown)] : [],
  }
}

/**
 * Gives plain RAM a backend of its own.
 * @param properties of the backend, besides its id and size
 */
export function backPlainRam(
  line: CommandLine,
  ram: PlainRam,
  type: string,
  properties: Readonly<Record<string, PropertyValue>>,
  reason: string,
): Edit[] {
  const object = setAll(parseProperties('', { impliedKey: 'qom-type' }), {
    id: ram.id,
    size: ram.bytes,
    ...properties,
    ...keepRamName(ram.machine),
  })
  return [
    ...findOptions(line, 'mem-path').map(({ index }): Edit => {
      return {
        kind: 'remove',
        index,
        reason: 'QEMU takes either -mem-path or a memory backend; the backend has the path',
      }
    }),
    { kind: 'append', option: 'object', argument: `${type},${object.text}`, reason },
    machineEdit(line, ram.id),
  ]
}

function machineEdit(line: CommandLine, id: string): Edit {
  const reason = `the guest's RAM is the backend '${id}'`
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
