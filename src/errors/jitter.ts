import { exitCodeFor } from './system.js'
import { EXIT, type ExitCode, UserError, userError } from './user-error.js'

export function badSeconds(facts: { readonly seconds: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.seconds}' is not from 2 to 604800`,
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
    exitCode: exitCodeFor(facts.reason, EXIT.usage),
    what: `the page cannot be written (${facts.reason})`,
    where: `--report ${facts.file}`,
    todo: 'name a file in a directory that is there and that you can write',
  })
}

export function badInterval(facts: { readonly interval: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.interval}' is not from 20us to 100ms`,
    where: '--interval',
    todo: 'write a number and its unit, such as --interval 1ms',
  })
}

export function intervalNeedsTimer(): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: 'a guest that spins has no timer',
    where: '--interval',
    todo: 'add --mode timer, or --mode network',
  })
}

export function badLimit(facts: { readonly limit: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.limit}' is not a length of time from 1us to 1000s`,
    where: '--fail-over',
    todo: 'write a number and its unit, such as --fail-over 40us',
  })
}

export function badVcpus(facts: { readonly vcpus: string; readonly most: number }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.vcpus}' is neither 'all' nor a number from 1 to ${facts.most}`,
    where: '--vcpus',
    todo: 'write how many vCPUs are to measure, such as --vcpus 2',
  })
}

/** `mask`: the profile's realtime-mask, which makes just so many vCPUs real-time. */
export function tooManyVcpus(facts: {
  readonly vcpus: number
  readonly realtime: number
  readonly mask: string
}): UserError {
  const { vcpus, realtime, mask } = facts
  return userError({
    exitCode: EXIT.usage,
    what: `${vcpus} vCPUs are to measure; realtime-mask '${mask}' makes ${realtime} of the guest's real-time`,
    where: '--vcpus',
    todo: `write --vcpus ${realtime}`,
  })
}

/** A record that no guest can have made: QEMU's process is not what it should be, or its output was changed on the way. */
export function guestImplausible(facts: { readonly what: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: 'the guest reported impossible values',
    where: facts.what,
    todo: 'measure again; if it stays so, see whether --emulator names the real QEMU',
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

/** The guest reported, and then no more, and QEMU is there still. `said`: the last line on QEMU's stderr. */
export function guestStopped(facts: { readonly seconds: number; readonly said: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `the guest stopped reporting: nothing for ${facts.seconds} s`,
    where: facts.said,
    todo: 'see whether something else keeps its vCPU from running (chrt, taskset, a debugger), and measure again',
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

export function resultNotReadable(facts: { readonly path: string; readonly why: string }): UserError {
  return userError({
    exitCode: exitCodeFor(facts.why, EXIT.input),
    what: `a result cannot be read (${facts.why})`,
    where: facts.path,
    todo: 'name a file that holds what qemu-rt jitter --format json has printed',
  })
}

export function badResult(facts: { readonly path: string; readonly why: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `this is not a measurement result (${facts.why})`,
    where: facts.path,
    todo: 'name a file that holds what qemu-rt jitter --format json has printed',
  })
}

export function resultTooNew(facts: {
  readonly path: string
  readonly version: number
  readonly known: number
}): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `this result has version ${facts.version}, newer than version ${facts.known} of this qemu-rt`,
    where: facts.path,
    todo: 'compare it with the qemu-rt that has made it',
  })
}

/** `what` differs, and with it what was measured. */
export function notComparable(facts: {
  readonly what: string
  readonly before: string
  readonly after: string
}): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `the results are of different things: ${facts.what} ${facts.before} and ${facts.what} ${facts.after}`,
    todo: 'measure both alike',
  })
}
