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
      : `it defines ${facts.known.join(', ')}`
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
    todo: `this host has CPUs ${facts.present}`,
  })
}

export function noEmulator(facts: {
  readonly path: string
  readonly reason: string
  readonly arch: string
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `emulator ${facts.reason}`,
    where: facts.path,
    todo: `install it, or set ${facts.arch} under [emulators] or --rt-emulator`,
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
