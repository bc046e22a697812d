import { parseSwitch } from '../../argv/properties.js'
import type { Backend } from './guest-ram.js'
import { asMemfd } from './ram-name.js'

/** What to do with a backend that holds guest RAM, so that another process can map it. */
export interface Sharing {
  /** The new argument; null when it is shared already or must be left alone. */
  readonly argument: string | null
  readonly reason: string
  /** Why it is left alone; null when it is not. */
  readonly leftAlone: string | null
}

type ShareBackend = (
  backend: Backend,
  machine: string | null,
) => Omit<Sharing, 'leftAlone'> | { readonly leftAlone: string }

/**
 * How each kind of memory backend is shared. Measured with QEMU 7.2 and DPDK 22.11: memory-backend-ram has no
 * descriptor to send even with share=on, which it has since QEMU 10.0 (system/physmem.c, qemu_ram_alloc_internal); a memfd
 * does with every version, and has the same name in a migration. A private memory-backend-file is mapped by the switch and then moves no
 * packet; memory-backend-memfd is shared unless told otherwise (QEMU backends/hostmem-memfd.c).
 */
const KINDS: Readonly<Record<string, ShareBackend>> = {
  'memory-backend-ram': ({ properties }, machine) => ({
    argument: asMemfd(properties, machine).set('share', true).text,
    reason:
      parseSwitch(properties.get('share')) === true
        ? 'shared memory of this kind has a descriptor for the back end since QEMU 10.0 only; a memfd always has'
        : 'anonymous memory has no descriptor that a vhost-user back end could map, so it becomes a memfd',
  }),
  'memory-backend-memfd': ({ properties }) => ({
    argument: parseSwitch(properties.get('share')) === false ? properties.set('share', true).text : null,
    reason: 'private memory stays invisible to the vhost-user back end',
  }),
  'memory-backend-file': ({ properties }) => {
    if (parseSwitch(properties.get('readonly')) === true) return { leftAlone: 'it is read-only' }
    return {
      argument: parseSwitch(properties.get('share')) === true ? null : properties.set('share', true).text,
      reason: 'a private mapping of a file starts without an error and then moves no packet',
    }
  },
  // QEMU >= 9.1 backends/hostmem-shm.c: always shared, share=off is refused.
  'memory-backend-shm': () => ({ argument: null, reason: '' }),
  'memory-backend-epc': () => ({ leftAlone: 'enclave memory is not for other processes' }),
}

/**
 * Says how a backend that holds guest RAM is shared, id and everything else kept.
 * @param machine the machine type; null when not known
 */
export function shareBackend(backend: Backend, machine: string | null): Sharing {
  const known = KINDS[backend.type]?.(backend, machine) ?? { leftAlone: `${backend.type} is not known here` }
  return 'leftAlone' in known ? { argument: null, reason: '', ...known } : { ...known, leftAlone: null }
}

/** Whether a backend is shared as it stands. */
export function isShared(backend: Backend): boolean {
  const sharing = shareBackend(backend, null)
  return sharing.leftAlone === null
    ? sharing.argument === null
    : parseSwitch(backend.properties.get('share')) === true
}
