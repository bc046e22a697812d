import { EXIT, type ExitCode, UserError, userError } from './user-error.js'

export function badSeconds(facts: { readonly seconds: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.seconds}' is not from 2 to 86400`,
    where: '--seconds',
    todo: 'write a number of seconds, such as --seconds 10',
  })
}

export function badFloor(facts: { readonly floor: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.floor}' is neither auto, none nor from 2 to 86400`,
    where: '--floor',
    todo: 'write a number of seconds, such as --floor 10, or none',
  })
}

export function reportUnwritable(facts: { readonly file: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `the page cannot be written (${facts.reason})`,
    where: `--report ${facts.file}`,
    todo: 'name a file in a directory that is there and that you can write',
  })
}

export function compareNeedsProfile(): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: '--compare needs a profile to compare with',
    todo: 'add --profile NAME',
  })
}

const SILENT = 'the guest reported nothing'

/** The guest never said anything. `said`: the last line on QEMU's stderr. */
export function guestSilent(facts: { readonly reason: string; readonly said: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `${SILENT} (${facts.reason})`,
    where: facts.said,
    todo: 'see whether QEMU starts by hand, or give --accel tcg',
  })
}

/** Whether it may be the accelerator's fault that there is no result. */
export function isGuestSilent(error: unknown): boolean {
  return error instanceof UserError && error.message.startsWith(SILENT)
}

/** Somebody has ended it. `said`: the last line on QEMU's stderr. */
export function guestEnded(facts: { readonly how: string; readonly said: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `QEMU ended before there was a result (${facts.how})`,
    where: facts.said,
  })
}

/** The launcher's own line, which says all. */
export function launchRefused(facts: { readonly exitCode: ExitCode; readonly said: string }): UserError {
  return userError({ exitCode: facts.exitCode, what: facts.said })
}

/** The profile's threads are not as planned, so that a measurement would be of something else. */
export function guestNotPlaced(facts: { readonly profile: string; readonly said: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `the guest's threads were not placed as profile '${facts.profile}' specifies`,
    where: facts.said,
    todo: 'run as root, or mend what the line says',
  })
}

export function loadEnded(facts: { readonly command: string; readonly how: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `the load ended by itself (${facts.how}), so there was none for a part of the time`,
    where: `--load '${facts.command}'`,
    todo: 'give a command that runs for as long as it is let',
  })
}
