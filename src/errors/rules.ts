import { didYouMean } from './nearest.js'
import { EXIT, type UserError, userError } from './user-error.js'

export function unknownRuleOption(facts: {
  readonly option: string
  readonly where: string
  readonly known: readonly string[]
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `QEMU has no option '${facts.option}'`,
    where: facts.where,
    todo: didYouMean(facts.option, facts.known) ?? 'write its name without dashes',
  })
}

export function ruleNeedsKeyval(facts: { readonly option: string; readonly where: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `the argument of -${facts.option} has no keys, so a rule cannot set one`,
    where: facts.where,
    todo: 'remove the rule',
  })
}
