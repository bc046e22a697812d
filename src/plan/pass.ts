import type { CommandLine } from '../argv/command-line.js'
import type { DomainPolicy, Policy, Profile } from '../config/policy.js'
import type { HostFacts } from '../host/facts.js'
import type { AssignedNic } from '../record/vm.js'
import type { PciAddress } from '../units/pci-address.js'
import type { Edit } from './edit.js'
import type { HeldLease } from './leases.js'
import type { Warning } from './warning.js'

/** What a pass may look at. It opens no file and prints nothing. */
export interface PassInput {
  readonly line: CommandLine
  readonly policy: Policy
  readonly host: HostFacts
  /** The profile that applies, with its name; null when none does. */
  readonly profile: { readonly name: string; readonly settings: Profile } | null
  /** What the VM gets by its domain; null when that says nothing. */
  readonly domain: DomainSettings | null
  /** `--nic` as written. */
  readonly nics: readonly string[]
  /** QEMU's name of the guest's architecture: `x86_64`. */
  readonly arch: string
  /** What other VMs hold. */
  readonly held: readonly HeldLease[]
  /** Devices that libvirt's hook has got ready for this VM. */
  readonly assigned: readonly AssignedNic[]
}

/** What a VM gets by the domain that it is: from the configuration, or as the domain's XML asks for. */
export interface DomainSettings {
  readonly profile: string | null
  readonly nics: DomainPolicy['nics']
  /** The entry of root's configuration that applies; null when none does. */
  readonly entry: DomainPolicy | null
  /** Whether its owner has asked for the NICs, rather than root given them. */
  readonly nicsAreAsked: boolean
  /** Where a device is named whose NIC is to be replaced, for a message. */
  readonly place: (device: string) => string
  /** How a NIC is added there instead. */
  readonly toAdd: (nic: string) => string
}

export interface PassResult {
  readonly edits: readonly Edit[]
  readonly warnings?: readonly Warning[]
  readonly nics?: readonly PlannedNic[]
}

/** A named NIC of this VM and the device it stands for. */
export interface PlannedNic {
  readonly name: string
  /** Id of the QEMU device that has it; null when that has none. */
  readonly device: string | null
  readonly address: PciAddress
  readonly iommuGroup: number | null
  readonly numaNode: number | null
  readonly ready: boolean
}

/** A pass: one pure function, and the name that its changes carry. */
export interface Pass {
  readonly name: string
  readonly run: (input: PassInput) => PassResult
}
