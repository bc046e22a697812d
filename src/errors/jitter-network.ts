import { EXIT, type UserError, userError } from './user-error.js'

const SERVER =
  "write PATH,server when the switch connects to QEMU's socket, as Open vSwitch's dpdkvhostuserclient does"

export function badSocketOption(facts: { readonly text: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.text}' is not an absolute path of at most 107 bytes`,
    where: '--socket',
    todo: 'write --socket /run/switch/port0',
  })
}

export function noSocket(facts: { readonly path: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: 'there is no socket',
    where: facts.path,
    todo: `start the switch first, or ${SERVER}`,
  })
}

export function notASocket(facts: { readonly path: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: 'this is not a socket',
    where: facts.path,
    todo: "give the path of the switch's vhost-user socket",
  })
}

export function noSocketDirectory(facts: { readonly path: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: 'the directory of the socket does not exist',
    where: facts.path,
    todo: 'make it first, as the user who runs this command: mkdir -m 755',
  })
}

/** Root's QEMU would make a socket, and replace what is there, where somebody else may exchange directories and files. */
export function socketDirectoryOfOthers(facts: { readonly directory: string }): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: 'others than root may write to this directory, or to one above it',
    where: facts.directory,
    todo: "name a socket in a directory of root's, such as one that mkdir -m 755 /run/switch makes, or run this command as that directory's owner",
  })
}

/** No way to name the switch, or one socket for two guests. */
export function whichSwitch(facts: { readonly sockets: number }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `--mode network needs a switch with two ports${facts.sockets === 0 ? '' : `, and --socket was given ${facts.sockets === 1 ? 'once' : `${facts.sockets} times`}`}`,
    todo: 'give --switch testpmd, or --socket PATH twice with two different paths',
  })
}

export function badFrameSize(facts: {
  readonly size: string
  readonly least: number
  readonly most: number
}): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.size}' is not from ${facts.least} to ${facts.most}`,
    where: '--frame-size',
    todo: 'write bytes of a frame without its checksum, such as --frame-size 64',
  })
}

/** Both ways to name the switch. */
export function switchNamedTwice(): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: '--switch starts a switch, and --socket names one that runs',
    where: '--mode network',
    todo: 'leave out one of the two',
  })
}

/** `option`: another mode's than the one that is given. */
export function notInThisMode(facts: { readonly option: string; readonly mode: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `--mode ${facts.mode} has no such option`,
    where: facts.option,
    todo: facts.mode === 'network' ? 'leave it out' : 'add --mode network, or leave it out',
  })
}

export function noTestpmd(): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: 'dpdk-testpmd is not installed',
    where: '--switch testpmd',
    todo: 'install DPDK’s tools (Debian: apt install dpdk-dev; Fedora: dnf install dpdk), or give --socket PATH twice',
  })
}

/** `said`: what it wrote last. */
export function switchEnded(facts: { readonly how: string; readonly said: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `testpmd ended (${facts.how})`,
    where: facts.said,
    todo: 'run as root, and see that 256 MiB are free',
  })
}

export function switchSilent(facts: { readonly seconds: number; readonly said: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `testpmd made no sockets for ${facts.seconds} s`,
    where: facts.said,
  })
}

/** The profile keeps guest RAM private, so that no packet would move. */
export function ramNotShared(facts: { readonly profile: string; readonly where: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `profile '${facts.profile}' does not share guest RAM (share = "never"), and a switch cannot reach private RAM`,
    where: facts.where,
    todo: 'write share = "auto" in the profile, or measure with another one',
  })
}

/** Two guests with one profile would have one CPU. */
export function sameCpus(facts: {
  readonly profile: string
  readonly cpus: string
  readonly where: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `profile '${facts.profile}' gives CPU ${facts.cpus} to both guests, and a real-time vCPU that polls leaves nothing to the other`,
    where: facts.where,
    todo: 'give --echo-profile NAME for the second guest, or write cpus = "auto"',
  })
}

const FAILURES: Readonly<Record<number, string>> = {
  1: 'it found no virtio network device',
  2: 'the firmware has given the device no address below 4 GiB',
  3: 'the device does not speak virtio 1.0',
}

export function guestFailed(facts: { readonly role: string; readonly failure: number }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `the ${facts.role} guest cannot drive its network device: ${FAILURES[facts.failure] ?? `reason ${facts.failure}`}`,
    todo: 'see that no [[rule]] changes its virtio-net-pci device',
  })
}

/** QEMU has made a socket, and waits. */
export function switchNotConnected(facts: { readonly role: string; readonly seconds: number }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `no switch connected to the ${facts.role}'s socket within ${facts.seconds} s`,
    where: '--socket',
    todo: 'add the port to the switch, or leave ,server out when the switch makes the socket',
  })
}

export function nothingCameBack(facts: { readonly sent: number; readonly seconds: number }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `of ${facts.sent} frames none came back within ${facts.seconds} s`,
    todo: 'see that the switch forwards between the two ports',
  })
}
