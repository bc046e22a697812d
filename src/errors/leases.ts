import { EXIT, type UserError, userError } from './user-error.js'

/** Makes the directory as an operator would; see src/record/leases/directory.ts for what the mode is for. */
const make = (directory: string) => `run as root: install -d -m 3770 -o root -g kvm ${directory}`

export function leaseDirectoryMissing(facts: { readonly directory: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: 'there is no directory for leases, and this user may not make it',
    where: facts.directory,
    todo: make(facts.directory),
  })
}

export function leaseDirectoryDenied(facts: {
  readonly directory: string
  readonly reason: string
}): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `this user may not use the directory for leases (${facts.reason})`,
    where: facts.directory,
    todo: `${make(facts.directory)}, with this user in its group`,
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

export function leasesBusy(facts: { readonly directory: string; readonly seconds: number }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `another process keeps the leases locked, for more than ${facts.seconds} seconds`,
    where: facts.directory,
    todo: `see as root which: fuser -v ${facts.directory}`,
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
