import { exitCodeFor, LED_ELSEWHERE } from './system.js'
import { EXIT, type UserError, userError } from './user-error.js'

export function goldenInputMissing(facts: {
  readonly directory: string
  readonly isThere: boolean
  readonly input: string
}): UserError {
  return userError({
    exitCode: EXIT.input,
    what: 'no golden case found',
    where: `${facts.directory}${facts.isThere ? '' : ' (it is not there)'}`,
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

export function goldenNotReadable(facts: { readonly file: string; readonly reason: string }): UserError {
  return userError({
    exitCode: exitCodeFor(facts.reason, EXIT.input),
    what: 'a file of a golden case cannot be read',
    where: `${facts.file} (${facts.reason})`,
    todo: 'put a file there that this user may read, or nothing',
  })
}

/** `reason` is the errno name, of which only some are about permission, or `LED_ELSEWHERE`. */
export function goldenNotWritable(facts: { readonly file: string; readonly reason: string }): UserError {
  const { file, reason } = facts
  const isLed = reason === LED_ELSEWHERE
  const exitCode = isLed ? EXIT.permission : exitCodeFor(reason, EXIT.unavailable)
  const mended = exitCode === EXIT.permission ? 'make its directory writable' : 'look at the disk'
  return userError({
    exitCode,
    what: `what a golden case expects cannot be written (${reason})`,
    where: file,
    todo: isLed
      ? "give the case's real path, without links"
      : `${mended}, then run qemu-rt golden update again`,
  })
}
