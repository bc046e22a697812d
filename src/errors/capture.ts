import { LED_ELSEWHERE } from './system.js'
import { EXIT, type ExitCode, type UserError, userError } from './user-error.js'

const PERMISSION = ['EACCES', 'EPERM', 'EROFS', 'was exchanged', LED_ELSEWHERE]

/** The directory for a captured host cannot be used. `reason` is what is wrong with it, or the errno name. */
export function captureNotWritable(facts: { readonly out: string; readonly reason: string }): UserError {
  const { out, reason } = facts
  const isThere = reason === 'is not empty' || reason === 'is a link'
  return userError({
    exitCode: isThere ? EXIT.input : exitCodeOf(reason),
    what: isThere ? `the directory for the captured host ${reason}` : 'the captured host cannot be written',
    where: isThere ? out : `${out} (${reason})`,
    todo: todoOf(reason, isThere),
  })
}

function todoOf(reason: string, isThere: boolean): string {
  if (reason === LED_ELSEWHERE) return 'give its real path, without links'
  return isThere || PERMISSION.includes(reason)
    ? 'give a directory that is not there yet'
    : 'look at the disk, or give a directory elsewhere'
}

function exitCodeOf(reason: string): ExitCode {
  return PERMISSION.includes(reason) ? EXIT.permission : EXIT.unavailable
}
