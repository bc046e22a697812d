import { EXIT, type UserError, userError } from './user-error.js'

/** The directory for a captured host cannot be used. */
export function captureNotWritable(facts: { readonly out: string; readonly reason: string }): UserError {
  const isFull = facts.reason === 'is not empty'
  return userError({
    exitCode: isFull ? EXIT.input : EXIT.permission,
    what: isFull ? 'the directory for the captured host is not empty' : 'the captured host cannot be written',
    where: isFull ? facts.out : `${facts.out} (${facts.reason})`,
    todo: 'give a directory that is not there yet',
  })
}
