import { EXIT, type UserError, userError } from './user-error.js'

export function badSeconds(facts: { readonly seconds: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.seconds}' is not a number of seconds from 2 to 86400`,
    where: '--seconds',
  })
}

export function compareNeedsProfile(): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: '--compare needs a profile to compare with',
    todo: 'add --profile NAME',
  })
}

/** QEMU ended, or the guest never said anything. `said`: the last line on QEMU's stderr. */
export function guestSilent(facts: { readonly reason: string; readonly said: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `the guest reported nothing (${facts.reason})`,
    where: facts.said,
    todo: 'see whether QEMU starts by hand, or give --accel tcg',
  })
}

/** The profile's threads are not as planned, so that a measurement would be of something else. */
export function guestNotPlaced(facts: { readonly profile: string; readonly said: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `the guest's threads did not become as profile '${facts.profile}' has them`,
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
