import type { HostFacts } from '../../host/facts.js'
import type { HeldLease } from '../leases.js'

/** What a NIC's name is looked up in, and what is told of the host when it means nothing. */
export interface KnownHost
  extends Pick<HostFacts, 'pci' | 'otherInterfaces' | 'uncounted' | 'useOf' | 'mayBeOpen'> {
  /** What other VMs hold, asked only for a message; null, as without it, when that cannot be read. */
  readonly holds?: () => readonly HeldLease[] | null
}
