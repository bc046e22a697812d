import type { Use, UseOf } from '../../host/use/use.js'
import { nameOfClass } from '../../units/pci-class.js'

/** What a use is in words, and what a person can do about it. To do it never cuts the host off unseen. */
export interface UseWords {
  readonly what: string
  readonly todo: string
}

type Words = { readonly [K in Use['kind']]: Teller<K> }

interface Teller<K extends Use['kind']> {
  /** @param address the device's */
  readonly tell: (use: Extract<Use, { readonly kind: K }>, address: string) => UseWords
  /** Whether a person at a shell may take the device all the same. */
  readonly isForcible: boolean
}

const ANOTHER = 'choose another NIC'

const itself = (address: string) => `the host uses ${address} itself`

const WORDS: Words = {
  'not-network': {
    tell: ({ classCode }, address) => ({
      what: `${address} is a ${nameOfClass(classCode)}, not a NIC`,
      todo: 'choose a NIC',
    }),
    isForcible: true,
  },
  disk: {
    tell: ({ name, use }, address) => ({
      what: `the host has the disk ${name} by ${address}${use === null ? '' : `: ${use}`}`,
      todo: 'choose a NIC',
    }),
    isForcible: false,
  },
  bus: {
    tell: ({ address: other }, address) => ({
      what: `${other} is below ${address} and goes with it`,
      todo: 'choose a NIC',
    }),
    isForcible: false,
  },
  vfs: {
    tell: ({ count, interface: pf }, address) => ({
      what: `${count} virtual functions of ${pf ?? address} are on, and vfio-pci takes no such device`,
      todo: `name one of them (pf = "${pf ?? address}", vf = N), or, when nothing uses any, turn them off: echo 0 > /sys/bus/pci/devices/${address}/sriov_numvfs`,
    }),
    isForcible: false,
  },
  representor: {
    tell: ({ interface: nic, port }, address) => ({
      what: `${nic} of ${address} is the port representor of ${port}`,
      todo: `choose the function that it stands for, or ${ANOTHER.slice('choose '.length)}`,
    }),
    isForcible: false,
  },
  beneath: {
    tell: ({ interface: nic }, address) => ({
      what: `${nic} is an interface of a device below ${address}`,
      todo: ANOTHER,
    }),
    isForcible: false,
  },
  upper: {
    tell: ({ interface: nic, upper, isMaster }, address) => ({
      what: `${itself(address)}: ${nic} ${isMaster ? 'is part of' : 'carries'} ${upper}`,
      todo: `${ANOTHER}, or ${isMaster ? `take ${nic} out of ${upper}` : `remove ${upper}`} first, if the host can do without`,
    }),
    isForcible: true,
  },
  'upper-elsewhere': {
    tell: ({ interface: nic, upper }, address) => ({
      what: `${itself(address)}: ${nic} carries ${upper} in another network namespace`,
      todo: `${ANOTHER}, or stop the container that has it`,
    }),
    isForcible: true,
  },
  address: {
    tell: ({ interface: nic, address: own }, address) => ({
      what: `${itself(address)}: ${nic} has ${own === '' ? 'an address' : `address ${own}`}`,
      todo: `${ANOTHER}, or take the address away in the host's network configuration, if the host can do without`,
    }),
    isForcible: true,
  },
  route: {
    tell: ({ interface: nic, route }, address) => ({
      what: `${itself(address)}: ${nic} has ${route === '' ? 'a route' : `the route ${route}`}`,
      todo: `${ANOTHER}, or take the route away in the host's network configuration, if the host can do without`,
    }),
    isForcible: true,
  },
  xdp: {
    tell: ({ interface: nic }, address) => ({
      what: `${itself(address)}: ${nic} has an XDP program`,
      todo: `${ANOTHER}, or stop the switch that attached it first`,
    }),
    isForcible: true,
  },
  // Its driver waits until all who have it open have closed it (Linux drivers/vhost/vdpa.c, vhost_vdpa_remove).
  vdpa: {
    tell: ({ name }, address) => ({
      what: `${itself(address)}: it has the vDPA device ${name}`,
      todo: `${ANOTHER}, or, when nothing uses it, delete it: vdpa dev del ${name}`,
    }),
    isForcible: false,
  },
  verbs: {
    tell: ({ node, holder }, address) => ({
      what: `${itself(address)}: ${holder} has /dev/infiniband/${node} open`,
      todo: `${ANOTHER}, or stop that process first, if the host can do without`,
    }),
    isForcible: true,
  },
  unseen: {
    tell: ({ driver }, address) => ({
      what: `what uses ${address} is not seen: ${driver} has it, without an interface in this network namespace`,
      todo: `${ANOTHER}, or end that use: another network namespace (lsns -t net) or a program in user space has it`,
    }),
    isForcible: true,
  },
  hidden: {
    tell: ({ what }, address) => ({
      what: `what the host uses ${address} for cannot be seen: ${what}`,
      todo: `look as root, on the host itself: qemu-rt nics show ${address}; or ${ANOTHER}`,
    }),
    isForcible: true,
  },
}

/** A use in words. @param address the device's */
export function wordsOf(use: Use, address: string): UseWords {
  // A captured host's file may be of a later version.
  const teller = Object.hasOwn(WORDS, use.kind) ? WORDS[use.kind] : null
  const tell = teller?.tell as ((use: Use, address: string) => UseWords) | undefined
  return tell?.(use, address) ?? WORDS.hidden.tell({ kind: 'hidden', what: use.kind }, address)
}

/**
 * Whether a person at a shell may take a device in spite of its uses: a NIC with the host's addresses, not one whose virtual
 * functions are on; and what is no NIC only when nothing else is seen of it.
 */
export function isForcible(uses: readonly Use[]): boolean {
  const isNic = !uses.some(({ kind }) => kind === 'not-network')
  return uses.every(({ kind }) => WORDS[kind].isForcible && (isNic || kind === 'not-network'))
}

/** For a host of which nothing is known. */
export const NOTHING_KNOWN: UseOf = () => [{ kind: 'hidden', what: 'nothing was read of it' }]
