import { tomlKey } from '../units/printable.js'
import { exitCodeFor } from './system.js'
import { EXIT, type UserError, userError } from './user-error.js'

export function namesCollide(facts: {
  readonly first: string
  readonly second: string
  readonly as: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `NICs '${facts.first}' and '${facts.second}' would both be ${facts.as}`,
    where: `[nic.${tomlKey(facts.second)}]`,
    todo: 'rename one of them so that they differ in letters or digits',
  })
}

export function nameEmpty(facts: { readonly name: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `nothing of the name of NIC '${facts.name}' can be in this format, which takes ASCII letters and digits`,
    where: `[nic.${tomlKey(facts.name)}]`,
    todo: 'give the NIC a name with a letter or digit of ASCII',
  })
}

export function nameTooLong(facts: { readonly name: string; readonly longest: number }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `the name of NIC '${facts.name}' is too long for this format, which has room for ${facts.longest} characters`,
    where: `[nic.${tomlKey(facts.name)}]`,
    todo: 'give the NIC a shorter name',
  })
}

export function exportUnwritable(facts: { readonly file: string; readonly reason: string }): UserError {
  const isDenied = facts.reason === 'EACCES' || facts.reason === 'EPERM'
  return userError({
    exitCode: exitCodeFor(facts.reason, EXIT.unavailable),
    what: `the file cannot be written (${facts.reason})`,
    where: `--output ${facts.file}`,
    todo: isDenied
      ? 'run as root, or name a file in a directory that you can write'
      : 'look at the disk and the directory, or name a file in a directory that is there',
  })
}

export function noExpiry(facts: { readonly format: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `${facts.format} cannot say how long it is true`,
    where: '--expires',
    todo: 'leave it out',
  })
}

export function badExpiry(facts: { readonly expires: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.expires}' is not from 60 to 2592000`,
    where: '--expires',
    todo: 'write a number of seconds, such as --expires 600',
  })
}

/** What is there is taken for this host's: the scheduler would count NICs that are elsewhere. */
export function placeOfThisHost(facts: { readonly place: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `${facts.place} is for the NICs of this host, not of a captured one`,
    where: '--output without a name, with --sysroot',
    todo: 'give --output the name of a FILE, or leave --sysroot out',
  })
}

export function outputNoFile(facts: { readonly file: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: 'this path exists and is not a regular file',
    where: `--output ${facts.file}`,
    todo: 'name another file, or leave --output out to print',
  })
}

export function directoryOfOthers(facts: { readonly file: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: 'root does not write in a directory that another user can write or replace',
    where: `--output ${facts.file}`,
    todo: 'name a file in a directory of root, such as one below /etc or /run',
  })
}
