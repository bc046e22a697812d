import { EXIT, type UserError, userError } from './user-error.js'

export function malformedReadConfig(facts: {
  readonly path: string
  readonly lineNumber: number
  readonly reason: string
}): UserError {
  return userError({
    exitCode: EXIT.input,
    what: 'a -readconfig file does not parse',
    where: `${facts.path} line ${facts.lineNumber}`,
    todo: facts.reason,
  })
}

export function tooManySections(facts: { readonly path: string; readonly most: number }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `-readconfig files have more than ${facts.most} sections`,
    where: facts.path,
    todo: 'leave out the file',
  })
}
