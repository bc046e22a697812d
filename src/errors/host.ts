import { quoteIfNeeded } from '../argv/shell.js'
import { EXIT, type UserError, userError } from './user-error.js'

/** `--sysroot` names nothing, or something that is no directory. */
export function sysrootUnusable(facts: { readonly sysroot: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `sysroot ${facts.reason}`,
    where: facts.sysroot,
    todo: 'give --sysroot a directory with the /sys of a host in it, or leave it out',
  })
}

export function hostNotReadable(facts: { readonly path: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: 'this user may not read the host',
    where: facts.path,
    todo: 'give the user read and search permission there, or run as another user',
  })
}

/** The saved inventory is not what `nics scan` writes. `file` has the sysroot in front. */
export function inventoryMalformed(facts: {
  readonly file: string
  readonly sysroot: string
  readonly problem: string
}): UserError {
  const scan = `qemu-rt nics scan${facts.sysroot === '/' ? '' : ` --sysroot ${quoteIfNeeded(facts.sysroot)}`}`
  return userError({
    exitCode: EXIT.input,
    what: `the saved NIC inventory cannot be read, ${facts.problem}`,
    where: facts.file,
    todo: `run: rm ${quoteIfNeeded(facts.file)} && ${scan}`,
  })
}

export function inventoryNotReadable(facts: { readonly file: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: 'this user may not read the saved NIC inventory',
    where: facts.file,
    todo: `run as root: chmod a+r ${quoteIfNeeded(facts.file)}`,
  })
}

/** `reason` is the errno name: only some of them are about permission. */
export function inventoryNotWritable(facts: { readonly file: string; readonly reason: string }): UserError {
  const permission = ['EACCES', 'EPERM', 'EROFS'].includes(facts.reason)
  return userError({
    exitCode: permission ? EXIT.permission : EXIT.unavailable,
    what: `the NIC inventory cannot be saved (${facts.reason})`,
    where: facts.file,
    todo: permission
      ? 'run qemu-rt nics scan as root, with the file system writable'
      : 'look at the disk and the directory, then run qemu-rt nics scan again',
  })
}
