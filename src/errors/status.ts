import { EXIT, type UserError, userError } from './user-error.js'

/** `--interval` of `status` is no time that makes sense. Bounds in seconds. */
export function badInterval(facts: { readonly least: number; readonly most: number }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: '--interval is not a number of seconds that can be waited',
    todo: `give one from ${facts.least} to ${facts.most}`,
  })
}
