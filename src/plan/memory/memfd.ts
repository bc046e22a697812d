import type { Properties } from '../../argv/properties.js'
import { setAll } from '../../argv/properties.js'
import { keepRamName } from './ram-name.js'

/**
 * Turns a memory-backend-ram into a memfd that migration knows by the same name. Every property that the one has the
 * other has too (QEMU backends/hostmem.c, hostmem-memfd.c). A memfd stays as it is.
 * @param machine the machine type; null when not known
 */
export function asMemfd(properties: Properties, machine: string | null): Properties {
  if (properties.get('qom-type') === 'memory-backend-memfd') return properties
  return setAll(properties.set('qom-type', 'memory-backend-memfd'), keepRamName(machine))
}
