import { EXIT, type UserError, userError } from './user-error.js'

/** A domain's XML says what only root may, or only a person at a shell. */
export function notADomainsWord(facts: {
  readonly what: string
  readonly value: string
  readonly todo: string
}): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `${facts.what} is not for a domain's XML to say`,
    where: facts.value,
    todo: facts.todo,
  })
}

/** A command line with two identities: one of them is another domain's. */
export function twoIdentities(facts: {
  readonly option: '-name' | '-uuid'
  readonly values: readonly string[]
}): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `${facts.option} says that this is another domain`,
    where: facts.values.map((value) => `'${value}'`).join(' and '),
    todo: `take ${facts.option} out of <qemu:commandline>`,
  })
}
