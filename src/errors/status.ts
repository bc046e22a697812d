import { EXIT, type UserError, userError } from './user-error.js'

/** `--interval` of `status` is no time that makes sense. Bounds in seconds. */
export function badInterval(facts: { readonly least: number; readonly most: number }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: '--interval is not a number of seconds that can be waited',
    todo: `give one from ${facts.least} to ${facts.most}`,
  })
}

export function outputNeedsPrometheus(): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: 'only metrics are written to a file',
    where: '--output',
    todo: 'add --format prometheus, or leave it out',
  })
}

export function notWithPrometheus(facts: { readonly option: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: 'metrics are those of this whole host, once',
    where: facts.option,
    todo: 'leave it out with --format prometheus',
  })
}
