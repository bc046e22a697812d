import { parseMac } from '../units/mac.js'
import { parsePciAddress } from '../units/pci-address.js'
import { tomlKey } from '../units/printable.js'
import { nearest } from './nearest.js'
import { EXIT, type ExitCode, type UserError, userError } from './user-error.js'

/** A named NIC in a message: its name, and where the configuration has it (null when it has not). */
export interface NicPlace {
  readonly name: string
  readonly place: string | null
}

/** A command that changes devices was given a captured host. */
export function onlyThisHost(facts: { readonly command: string; readonly sysroot: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.command}' changes this host alone, never a captured one`,
    where: `--sysroot ${facts.sysroot}`,
    todo: 'run it without --sysroot, on the host itself',
  })
}

/** No configuration entry, interface, altname or MAC of this host has the name. `near` is one that has one. */
export function nicUnknown(facts: {
  readonly name: string
  readonly near: string | null
  readonly looked: string
  /** The configuration's file; null where an entry would not help. */
  readonly config: string | null
}): UserError {
  const { name, near, config } = facts
  const entry = config === null ? null : entryFor(name)
  const mend = `${entry === null ? '' : `write ${entry} in ${config}, or `}see 'qemu-rt nics list'`
  return userError({
    exitCode: EXIT.unavailable,
    what: `NIC '${facts.name}' is neither configured nor an interface, altname or MAC on this host`,
    where: `looked at ${facts.looked}`,
    todo: near === null ? mend : `did you mean '${near}'? Otherwise ${mend}`,
  })
}

/**
 * The entry that would make a name one; null for a MAC address, which says itself what it means, and for bytes that are not
 * UTF-8, which stand as lone surrogates here and in no TOML (toml.io/en/v1.0.0, Spec).
 */
function entryFor(name: string): string | null {
  if (parseMac(name) !== null || /\p{Surrogate}/u.test(name)) return null
  return parsePciAddress(name) === null ? `[nic.${tomlKey(name)}]` : `[nic.NAME] with address = "${name}"`
}

/** No device has the name now, and something is known of why. */
export function nicWithoutDevice(facts: {
  readonly name: string
  readonly why: string
  readonly todo: string
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `NIC '${facts.name}' is neither configured nor a device of this host`,
    where: facts.why,
    todo: facts.todo,
  })
}

/** A domain asks for a NIC that root has not configured; the host's own names are not for a domain to say. */
export function nicNotConfigured(facts: {
  readonly name: string
  readonly known: readonly string[]
  readonly config: string
}): UserError {
  const near = nearest(facts.name, facts.known)
  const mend = 'a domain gets none but these; root permits it with an entry [nic.NAME]'
  return userError({
    exitCode: EXIT.unavailable,
    what: `NIC '${facts.name}' is not in the configuration`,
    where: facts.config,
    todo: near === null ? mend : `did you mean '${near}'? Otherwise: ${mend}`,
  })
}

/** The configuration has a NIC or a profile for other domains. */
export function notForThisDomain(facts: {
  readonly what: 'NIC' | 'profile'
  readonly name: string
  readonly guest: string
  readonly flavor: string | null
  readonly place: string
}): UserError {
  const flavor = facts.flavor === null ? '' : ` of flavor '${facts.flavor}'`
  return userError({
    exitCode: EXIT.permission,
    what: `${facts.what} '${facts.name}' is not for domain '${facts.guest}'${flavor}`,
    where: facts.place,
    todo: 'root permits it by domains and flavor there, or gives it by a [[domain]]',
  })
}

/** The configuration has the name, but no device is as it says. */
export function nicMatchesNothing(
  facts: NicPlace & { readonly selector: string; readonly why: string; readonly todo: string },
): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `NIC '${facts.name}' (${facts.selector}) matches no device of this host`,
    where: facts.why,
    todo: `${facts.todo}${at(facts.place)}`,
  })
}

export function nicAmbiguous(
  facts: NicPlace & { readonly selector: string; readonly count: number; readonly devices: string },
): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `NIC '${facts.name}' (${facts.selector}) matches ${facts.count} devices`,
    where: facts.devices,
    todo: `add mac or address under [nic.${tomlKey(facts.name)}], or pool = true if any of them will do${at(facts.place)}`,
  })
}

export function nicNotReady(facts: {
  readonly name: string
  readonly what: string
  readonly todo: string
  readonly exitCode: ExitCode
}): UserError {
  return userError({
    exitCode: facts.exitCode,
    what: `NIC '${facts.name}' is not ready`,
    where: facts.what,
    todo: facts.todo,
  })
}

/** A NIC cannot take the place of a device that libvirt has opened, and QEMU would go on with that one. */
export function passedDeviceStays(facts: {
  readonly name: string
  readonly other: string
  readonly fd: string
  readonly what: string
  readonly todo: string
  readonly exitCode: ExitCode
}): UserError {
  return userError({
    exitCode: facts.exitCode,
    what: `NIC '${facts.name}' cannot take the place of ${facts.other}, which was opened before QEMU starts (fd=${facts.fd})`,
    where: facts.what,
    todo: facts.todo,
  })
}

/** A device was passed open, and it cannot be seen which: it may be the NIC that is asked for. */
export function passedDeviceUnknown(facts: { readonly other: string; readonly fd: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `the device behind the command line's ${facts.other} is unknown, so no other NIC can be given`,
    where: `fd=${facts.fd} is not an open VFIO device of this process`,
    todo: 'pass the device open, or name it by host=',
  })
}

/**
 * Another VM has a device, or one of its IOMMU group.
 * @param facts.what who wants it: `NIC 'line1'`, `device 'hostdev0'`
 * @param facts.why who has what: `is held by guest 'plc-0'`
 */
export function deviceHeld(facts: {
  readonly what: string
  readonly why: string
  readonly device: string
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `${facts.what} ${facts.why}`,
    where: facts.device,
    todo: 'stop that VM, or wait for it with --wait SECONDS',
    mayPass: true,
  })
}

/** @param facts.why `is in IOMMU group 13 with NIC 'line0', and QEMU …` */
export function groupInTwoSpaces(facts: {
  readonly name: string
  readonly why: string
  readonly device: string
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `NIC '${facts.name}' ${facts.why}`,
    where: facts.device,
    todo: "choose a NIC of another group, take the guest's IOMMU out, or put both devices behind one pcie-pci-bridge (bus=)",
  })
}

export function nicUsedTwice(facts: {
  readonly name: string
  readonly device: string
  readonly other: string
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `NIC '${facts.name}' is ${facts.device}, which this command line has already`,
    where: facts.other,
    todo: 'remove one of the two',
  })
}

/** `mayPass`: other VMs have some of the pool's devices. */
export function poolExhausted(
  facts: NicPlace & { readonly devices: string; readonly mayPass: boolean },
): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `NIC pool '${facts.name}' has no free device`,
    where: facts.devices,
    todo: facts.mayPass
      ? `stop a VM or wait for one with --wait SECONDS, bind another device to vfio-pci, or widen the pool${at(facts.place)}`
      : `bind another one to vfio-pci, or widen the pool${at(facts.place)}`,
    mayPass: facts.mayPass,
  })
}

export function replacedDeviceMissing(facts: {
  readonly id: string
  readonly nic: string
  readonly place: string
  readonly toAdd: string
  readonly known: readonly string[]
}): UserError {
  const there =
    facts.known.length === 0
      ? 'there is none: write'
      : `name one that is there (${facts.known.join(', ')}), or write`
  return userError({
    exitCode: EXIT.config,
    what: `no vfio-pci device with id '${facts.id}' to put NIC '${facts.nic}' in`,
    where: facts.place,
    todo: `${there} ${facts.toAdd} to add it`,
  })
}

export function malformedNicRequest(facts: {
  readonly request: string
  readonly problem: string
}): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `NIC request '${facts.request}' does not parse`,
    where: facts.problem,
    todo: 'write NAME or NAME,key=value,…',
  })
}

function at(place: string | null): string {
  return place === null ? '' : ` (${place})`
}
