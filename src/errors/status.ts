import { EXIT, type UserError, userError } from './user-error.js'

/** Names that a line has room for. */
const MOST_NAMES = 10

/** `--domain` of `status` names no VM that runs, or none that this user sees. */
export function noSuchVm(facts: {
  readonly name: string
  readonly known: readonly string[]
  readonly seesAll: boolean
}): UserError {
  const { name, known } = facts
  const more = known.length > MOST_NAMES ? ` and ${known.length - MOST_NAMES} more` : ''
  return userError({
    exitCode: EXIT.unavailable,
    what: facts.seesAll ? `no VM '${name}' is running` : `no running VM '${name}' is visible to this user`,
    where:
      known.length === 0 ? 'none is running' : `these are: ${known.slice(0, MOST_NAMES).join(', ')}${more}`,
    todo: facts.seesAll ? null : 'run as root to see all VMs',
  })
}

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
