import { EXIT, type UserError, userError } from './user-error.js'

export function goldenInputMissing(facts: { readonly directory: string; readonly input: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: 'no golden case found',
    where: facts.directory,
    todo: `a case is a directory with an ${facts.input}`,
  })
}

export function goldenInputUnreadable(facts: { readonly file: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: 'not a command in golden format',
    where: facts.file,
    todo: 'write NAME=value lines, the emulator, then one option a line, with quotes closed',
  })
}

export function goldenOptionsUnreadable(facts: { readonly file: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: 'a quote is not closed',
    where: facts.file,
    todo: 'close it',
  })
}

/** `directory`: its path, as `decodeBytes` has it. */
export function goldenNameNotText(facts: { readonly directory: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: 'the name of a directory is not UTF-8, so that no case in it is run',
    where: facts.directory,
    todo: 'rename it',
  })
}

/** `reason` is the errno name: only some of them are about permission. */
export function goldenNotWritable(facts: { readonly file: string; readonly reason: string }): UserError {
  const permission = ['EACCES', 'EPERM', 'EROFS'].includes(facts.reason)
  return userError({
    exitCode: permission ? EXIT.permission : EXIT.unavailable,
    what: `what a golden case expects cannot be written (${facts.reason})`,
    where: facts.file,
    todo: `${permission ? 'make its directory writable' : 'look at the disk'}, then run qemu-rt golden update again`,
  })
}
