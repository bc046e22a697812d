import type { Obstacle } from '../plan/nics/readiness.js'
import { nfd } from './nfd.js'
import { novaPci } from './nova-pci.js'
import { novaProvider } from './nova-provider.js'
import { type Unit, withheldNotes } from './offers.js'
import { sriovDevicePlugin } from './sriov-dp.js'
import type { Exported, ExportSubject, Withheld } from './subject.js'

export interface ExportFormat {
  /** Where the other system looks. */
  readonly place: string
  /** Whether it can say until when it is true. */
  readonly expires: boolean
  /** Why the other system is not to hand a unit out; null when it may. */
  readonly withheld: (unit: Unit, host: ExportSubject['host']) => Obstacle | null
  readonly make: (subject: ExportSubject, withheld: Withheld) => Exported
}

const unlessReady = ({ notReady }: Unit) => notReady

/** The formats of other systems' inventories, by the name that `qemu-rt export` knows them by. */
export const EXPORT_FORMATS = {
  'nova-provider': {
    place: '/etc/nova/provider_config/qemu-rt.yaml',
    expires: false,
    // libvirt's hook binds a device when a VM starts, and gives it back afterwards.
    withheld: ({ notReady, notBindable }, { isHooked }) => (isHooked ? notBindable : notReady),
    make: novaProvider,
  },
  'nova-pci': {
    place: '/etc/nova/nova-compute.conf.d/qemu-rt.conf',
    expires: false,
    // libvirt binds a device itself.
    withheld: ({ notBindable }) => notBindable,
    make: novaPci,
  },
  'sriov-dp': {
    place: '/etc/pcidp/config.json',
    expires: false,
    withheld: unlessReady,
    make: sriovDevicePlugin,
  },
  nfd: {
    place: '/etc/kubernetes/node-feature-discovery/features.d/qemu-rt',
    expires: true,
    withheld: unlessReady,
    make: nfd,
  },
} as const satisfies Readonly<Record<string, ExportFormat>>

export type ExportFormatName = keyof typeof EXPORT_FORMATS

/**
 * Makes the inventory in one of the formats.
 * @throws {UserError} exit 78 when the format cannot tell two names apart, has no room for one, or none of its characters
 */
export function exportAs(name: ExportFormatName, subject: ExportSubject): Exported {
  const format: ExportFormat = EXPORT_FORMATS[name]
  const withheld: Withheld = (unit) => format.withheld(unit, subject.host)
  const { text, notes } = format.make(subject, withheld)
  return { text, notes: [...withheldNotes(subject.offers, withheld), ...notes] }
}
