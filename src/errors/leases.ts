import { EXIT, UserError, userError } from './user-error.js'

/**
 * Both make root's directory and that of QEMU's user in it, too, before another user can; see
 * src/record/leases/directory.ts for what the modes are for.
 */
const MAKE = 'run as root: systemd-tmpfiles --create qemu-rt.conf, or install.sh again'

const MISSING = 'there is no directory for leases'
const DENIED = 'this user may not use the directory for leases'

/** Whether this user cannot keep a lease for want of a directory. */
export function isLeaseDirectoryRefused(error: unknown): boolean {
  return (
    error instanceof UserError && [MISSING, DENIED].some((beginning) => error.message.startsWith(beginning))
  )
}

/** A domain of libvirt's whose QEMU cannot keep a lease, as under AppArmor: the hook gives it what it needs as root. */
export function leaseWithoutHook(facts: { readonly directory: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: "libvirt's hook has not run for this domain, and QEMU's user may not take a lease without it",
    where: facts.directory,
    todo: 'run install.sh again as root, and restart libvirtd (or virtqemud)',
  })
}

export function leaseDirectoryMissing(facts: { readonly directory: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `${MISSING}, and this user may not make it`,
    where: facts.directory,
    todo: MAKE,
  })
}

export function leaseDirectoryDenied(facts: {
  readonly directory: string
  readonly reason: string
}): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `${DENIED} (${facts.reason})`,
    where: facts.directory,
    todo: `put this user into group kvm, and ${MAKE}`,
  })
}

/** Somebody else could take away or exchange what is in it. */
export function leaseDirectoryUnsafe(facts: {
  readonly directory: string
  readonly reason: string
}): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `the directory for leases is not safe: it ${facts.reason}`,
    where: facts.directory,
    todo: 'remove it, and start again',
  })
}

/** Why a lock is not had: one process keeps it, or so many have taken their turns. */
export interface Kept {
  readonly by: 'one' | 'many'
  readonly seconds: number
}

export function leasesBusy({ directory, by, seconds }: Kept & { readonly directory: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what:
      by === 'one'
        ? `another process keeps the leases locked, for more than ${seconds} seconds`
        : `other processes have locked the leases one after another, for more than ${seconds} seconds`,
    where: directory,
    todo: by === 'one' ? `see as root which: fuser -v ${directory}` : 'start fewer VMs at a time',
  })
}

export function flockMissing(facts: { readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `flock cannot be run (${facts.reason})`,
    todo: 'install util-linux, and see that it is in PATH',
  })
}

/** A lease cannot be written; nothing is left of it. */
export function leaseNotWritable(facts: { readonly path: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: 'the lease cannot be written',
    where: `${facts.path} (${facts.reason})`,
    todo: ['ENOSPC', 'EDQUOT'].includes(facts.reason)
      ? 'make room in /run (df -h /run)'
      : 'see that this user can write there: the file system, its limits (ulimit -a), the directory',
  })
}
