import { type CommandLine, findOptions, placeOf, propertiesAt } from '../../argv/command-line.js'
import type { Properties } from '../../argv/properties.js'
import { badMemorySize } from '../../errors/command-line.js'
import { type Bytes, parseBytes } from '../../units/bytes.js'

/** A virtio-mem device: its backend's size is a maximum, of which the guest has what is requested. */
export interface VirtioMem {
  readonly index: number
  /** For messages: `virtio-mem-pci 'vm0'`. */
  readonly user: string
  /** Id of its memory backend. */
  readonly memdev: string
  /** What the guest gets at its start; QEMU's default is nothing. */
  readonly requested: Bytes
  /** Null where QEMU chooses it, then a whole number of the backend's pages. */
  readonly block: Bytes | null
  readonly properties: Properties
}

const DRIVERS: readonly string[] = ['virtio-mem-pci', 'virtio-mem-ccw', 'virtio-mem']

/** What was found in a command line: it is asked for each memory backend. */
const found = new WeakMap<CommandLine, readonly VirtioMem[]>()

/**
 * The virtio-mem devices of the command line (QEMU hw/virtio/virtio-mem.c).
 * @throws {UserError} exit 65 when a size does not parse
 */
export function virtioMemDevices(line: CommandLine): readonly VirtioMem[] {
  const known = found.get(line)
  if (known !== undefined) return known
  const devices = readDevices(line)
  found.set(line, devices)
  return devices
}

function readDevices(line: CommandLine): VirtioMem[] {
  return findOptions(line, 'device').flatMap(({ index }) => {
    const properties = propertiesAt(line, index)
    const driver = properties.get('driver') ?? ''
    if (!DRIVERS.includes(driver)) return []
    const id = properties.get('id')
    const size = (key: string) => {
      const text = properties.get(key)
      const bytes = text === undefined ? 0n : parseBytes(text)
      if (bytes === null) throw badMemorySize({ ...placeOf(line, index), size: text ?? '' })
      return bytes
    }
    return [
      {
        index,
        user: id === undefined ? driver : `${driver} '${id}'`,
        memdev: properties.get('memdev') ?? '',
        requested: size('requested-size'),
        block: size('block-size') || null,
        properties,
      },
    ]
  })
}
