import { exitCodeFor } from './system.js'
import { EXIT, type UserError, userError } from './user-error.js'

/** `source`: file and line, or where else the text is from. */
export function badDomainXml(facts: { readonly source: string; readonly problem: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: "this is not a domain's XML",
    where: `${facts.source}: ${facts.problem}`,
    todo: "give what 'virsh dumpxml' prints",
  })
}

/** What stands in our element of `<metadata>` is not understood. */
export function badMetadata(facts: { readonly problem: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: 'the <request> in <metadata> is not understood',
    where: facts.problem,
    todo: "mend it with 'virsh metadata' or 'virsh edit'",
  })
}

/** Nobody knows the user that QEMU runs as. */
export function noQemuUser(facts: { readonly names: readonly string[] }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `there is no user ${facts.names.map((name) => `'${name}'`).join(' or ')} for QEMU`,
    where: '/etc/passwd',
    todo: 'write user = "NAME" in /etc/libvirt/qemu.conf',
  })
}

/** libvirt would hide a device node from QEMU. */
export function nodeHidden(facts: {
  readonly missing: readonly string[]
  readonly acl: readonly string[]
}): UserError {
  const list = facts.acl.map((path) => `"${path}"`).join(', ')
  return userError({
    exitCode: EXIT.unavailable,
    what: `libvirt hides ${facts.missing.join(' and ')} from QEMU`,
    where: '/etc/libvirt/qemu.conf',
    todo: `write cgroup_device_acl = [ ${list} ] there and restart libvirtd or virtqemud`,
  })
}

/** A domain asks the wrapper for something, and does not use it. */
export function notOurEmulator(facts: {
  readonly domain: string
  readonly emulator: string | null
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `domain '${facts.domain}' has a <request> in its <metadata>, and its <emulator> is not qemu-rt`,
    where: facts.emulator ?? 'none is named',
    todo: 'name the installed qemu-rt-system-ARCH in <emulator>, or take the <request> away',
  })
}

/** A hook without what libvirt gives it. */
export function domainWithoutUuid(facts: { readonly domain: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `domain '${facts.domain}' has no <uuid>`,
    todo: "give what 'virsh dumpxml' prints",
  })
}

/** Threads of a VM cannot be set, and its profile does not let it run without. */
export function hookTuneRefused(facts: {
  readonly guest: string
  readonly causes: readonly string[]
}): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `guest '${facts.guest}' is not started (strict)`,
    where: facts.causes.join('; also '),
  })
}

export function domainNotReadable(facts: { readonly file: string; readonly reason: string }): UserError {
  return userError({
    exitCode: exitCodeFor(facts.reason, EXIT.input),
    what: "the domain's XML cannot be read",
    where: `${facts.file} (${facts.reason})`,
    todo: "give a file with what 'virsh dumpxml' prints, or pipe it in: virsh dumpxml DOMAIN | qemu-rt domain plan - (or native -)",
  })
}

/** libvirt has called the hook for a start and does not say which process it is. */
export function hookNoProcess(facts: { readonly guest: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `guest '${facts.guest}': libvirt's state does not name its QEMU, so its threads are not set`,
    where: `/run/libvirt/qemu/${facts.guest}.xml`,
    todo: 'see that libvirtd or virtqemud keeps its state there',
  })
}

/** How many are named in one line. */
const NAMED = 3

/** Several reasons in one line: the first few, and how many more. */
export function fewOf(texts: readonly string[]): string {
  const rest = texts.length - NAMED
  return [...texts.slice(0, NAMED), ...(rest > 0 ? [`${rest} more`] : [])].join('; also ')
}

/** libvirt would do something else to threads than the profile says, and that does not let the VM run without. */
export function threadsContradict(facts: {
  readonly guest: string
  readonly profile: string
  readonly texts: readonly string[]
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `guest '${facts.guest}' is not started (profile '${facts.profile}' is strict): its XML contradicts the profile`,
    where: fewOf(facts.texts),
    todo: "take that out of the domain ('qemu-rt domain native' prints it so) or out of the profile",
  })
}
