import { EXIT, type UserError, userError } from './user-error.js'

const PERMISSION = ['EACCES', 'EPERM', 'EROFS']

/** `[host] realtime` is missing, and nothing is set for CPUs that nobody has named. */
export function hostCpusNotConfigured(facts: {
  readonly place: string
  /** What `[host]` may be on this host. */
  readonly example: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: 'nothing is set, since the configuration names no real-time CPUs',
    where: facts.place,
    todo: `write into [host], such as: ${facts.example}`,
  })
}

/** `[host]` names CPUs that this host does not have, or that are off. */
export function hostCpusNotThere(facts: {
  readonly place: string
  readonly found: string
  readonly todo: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `[host] does not fit this host (${facts.found})`,
    where: facts.place,
    todo: facts.todo,
  })
}

export function notRoot(facts: { readonly command: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `only root can run qemu-rt ${facts.command}`,
    todo: 'run it as root, or with --dry-run to see what it would do',
  })
}

/** Nobody is there to be asked. */
export function nobodyToAsk(): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: 'host apply asks before it changes the host, and there is no terminal to ask on',
    todo: 'see with --dry-run what it would do, and give --yes to have it done',
  })
}

/** Something stands where root writes that root has not made, or that others may change. */
export function placeUnsafe(facts: { readonly path: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `${facts.reason}, so root does not write there`,
    where: facts.path,
    todo: 'make it a plain directory or file of root that no one else can write, and run this again',
  })
}

/** A file or value cannot be changed; what was changed before is as it was again. */
export function hostNotChanged(facts: { readonly path: string; readonly reason: string }): UserError {
  return userError({
    exitCode: PERMISSION.includes(facts.reason) ? EXIT.permission : EXIT.unavailable,
    what: `the host cannot be changed there (${facts.reason})`,
    where: facts.path,
    todo: PERMISSION.includes(facts.reason)
      ? 'run as root, with the file system writable'
      : 'look at the disk and the directory, then run this again',
  })
}

/** A file that an earlier apply wrote has been changed since. */
export function fileChangedSince(facts: { readonly path: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: 'this file was changed after qemu-rt host apply wrote it',
    where: facts.path,
    todo: 'move their lines into a file of another name and remove this one, then run this again',
  })
}

/** The record of what was there before is needed to put it back. */
export function applyRecordNotReadable(facts: { readonly path: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `the record of what host apply changed is there and cannot be read (${facts.reason})`,
    where: facts.path,
    todo: 'see as root what it is; without it qemu-rt cannot put back what was there before',
  })
}

/** Another host apply or undo runs. */
export function applyBusy(facts: { readonly path: string; readonly seconds: number }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `another qemu-rt host apply or undo has been running for ${facts.seconds} seconds`,
    where: facts.path,
    todo: `wait for it; see who it is as root: fuser -v ${facts.path}`,
  })
}
