import { didYouMean } from './nearest.js'
import { EXIT, type UserError, userError } from './user-error.js'

/** Where an option stands: as it is spelled, and its number counted from 1; or the section of a file that says it. */
export interface OptionPlace {
  readonly option: string
  readonly number: number
  readonly section?: SectionPlace
}

/** A section of a `-readconfig` file. */
export interface SectionPlace {
  readonly path: string
  readonly group: string
  readonly id: string | null
  readonly lineNumber: number
}

/** An option's place in a message: `-m (option 3)`, `[device "net0"] (vm.cfg line 7)`. */
export function describePlace({ option, number, section }: OptionPlace): string {
  if (section === undefined) return `${option} (option ${number})`
  const { path, group, id, lineNumber } = section
  return `[${group}${id === null ? '' : ` "${id}"`}] (${path} line ${lineNumber})`
}

export function missingArgument(where: OptionPlace): UserError {
  return userError({
    exitCode: EXIT.input,
    what: 'an option has no argument',
    where: describePlace(where),
    todo: 'give it one or leave it out',
  })
}

export function malformedArgument(
  facts: OptionPlace & { readonly argument: string; readonly reason: string },
): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `malformed argument '${abbreviate(facts.argument)}'`,
    where: describePlace(facts),
    todo: facts.reason,
  })
}

export function badMemorySize(facts: OptionPlace & { readonly size: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `memory size '${facts.size}' does not parse`,
    where: describePlace(facts),
    todo: 'write a number with K, M, G or T, such as 4G',
  })
}

export function unknownFlag(facts: { readonly flag: string; readonly known: readonly string[] }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `unknown option '${facts.flag}'`,
    todo: didYouMean(facts.flag, facts.known) ?? "see 'qemu-rt run --help'",
  })
}

export function badFlagValue(facts: { readonly flag: string; readonly problem: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: facts.problem,
    where: facts.flag,
    todo: "see 'qemu-rt run --help'",
  })
}

/** Keeps a message readable: arguments can be kilobytes long. */
function abbreviate(text: string): string {
  return text.length > 100 ? `${text.slice(0, 97)}...` : text
}

export function noSeparator(): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: "'run' needs '--' before QEMU's arguments",
    todo: 'write: qemu-rt run [options] -- QEMU-ARGUMENTS',
  })
}

export function unknownFormat(facts: {
  readonly format: string
  readonly known: readonly string[]
}): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `unknown format '${facts.format}'`,
    where: '--format',
    todo: `use one of ${facts.known.join(', ')}`,
  })
}
