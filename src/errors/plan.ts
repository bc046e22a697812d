import { describePlace, type SectionPlace } from './command-line.js'
import { didYouMean } from './nearest.js'
import { EXIT, type UserError, userError } from './user-error.js'

export function unknownProfile(facts: {
  readonly name: string
  readonly known: readonly string[]
  readonly config: string
}): UserError {
  const there =
    facts.known.length === 0
      ? `it defines none: write [profile.${facts.name}], or name another configuration`
      : `write [profile.${facts.name}], or name one that it defines: ${facts.known.join(', ')}`
  return userError({
    exitCode: EXIT.config,
    what: `profile '${facts.name}' is not defined`,
    where: facts.config,
    todo: didYouMean(facts.name, facts.known) ?? there,
  })
}

export function unknownCpus(facts: {
  readonly set: string
  readonly cpus: string
  readonly present: string
  readonly where: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `CPU ${facts.cpus} of '${facts.set}' does not exist on this host`,
    where: facts.where,
    todo: `name only CPUs of this host: ${facts.present}`,
  })
}

export function noEmulator(facts: { readonly path: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `emulator ${facts.reason}`,
    where: facts.path,
    todo: 'install it, or name another QEMU under [emulators] or by --emulator (--rt-emulator in a QEMU command line)',
  })
}

export function emulatorIsWrapper(facts: { readonly path: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: 'the emulator is the wrapper itself',
    where: facts.path,
    todo: 'name the real QEMU under [emulators] or --rt-emulator',
  })
}

/** The plan has to change what a file says, and no option of the command line can override that. */
export function cannotRewrite(facts: {
  readonly section: SectionPlace
  readonly option: string
  /** `key = "value"` for each key that has to change. */
  readonly wanted: readonly string[]
  /** Keys that have to go; null when the whole section has to. */
  readonly unwanted: readonly string[] | null
  readonly reason: string
}): UserError {
  const { section, option, wanted, unwanted, reason } = facts
  const takeOut = unwanted === null ? 'the section' : unwanted.join(', ')
  const steps = [
    ...(wanted.length === 0 ? [] : [`write ${wanted.join(', ')} there`]),
    ...(takeOut === '' ? [] : [`take out ${takeOut}`]),
  ]
  return userError({
    exitCode: EXIT.input,
    what: `a -readconfig file has to change (${reason})`,
    where: describePlace({ option, number: 0, section }),
    todo: `${steps.join(', ')}, or put it on the command line as ${option}`,
  })
}

/** A rule or a pass wants a key that a `-set` has the last word on gone. */
export function cannotUnset(facts: { readonly place: string; readonly key: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `'${facts.key}' must be removed, but -set gives it a value`,
    where: facts.place,
    todo: 'take that -set out',
  })
}

/** A program that becomes QEMU in its turn is missing. */
export function programMissing(facts: { readonly program: string; readonly path: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `${facts.program} is needed to start QEMU, and is not in PATH`,
    where: facts.path,
    todo: 'install util-linux, or start with a PATH that has its directory',
  })
}
