import { EXIT, type ExitCode, type UserError, userError } from './user-error.js'

/** The kernel refused to change a device's driver. */
export function notBound(facts: {
  readonly address: string
  readonly driver: string
  readonly reason: string
}): UserError {
  const denied = facts.reason === 'EACCES' || facts.reason === 'EPERM'
  return userError({
    exitCode: denied ? EXIT.permission : EXIT.unavailable,
    what: `${facts.address} cannot be given to ${facts.driver}`,
    where: facts.reason,
    todo: denied ? 'run it as root' : 'see dmesg',
  })
}

/** The host uses a device that was to be taken from it, or it cannot be seen that it does not. */
export function deviceInUse(facts: {
  readonly what: string
  readonly todo: string
  readonly exitCode: ExitCode
}): UserError {
  return userError({ exitCode: facts.exitCode, what: facts.what, todo: facts.todo })
}

/** vfio-pci is not there, or has refused the device. */
export function vfioDriverMissing(facts: { readonly address: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `vfio-pci does not take ${facts.address}`,
    todo: 'see dmesg; is the module there (modprobe vfio-pci), and the IOMMU on?',
  })
}

/** A /dev/vfio node's owner cannot be changed. */
export function nodeNotGiven(facts: {
  readonly path: string
  readonly uid: number
  readonly reason: string
}): UserError {
  const denied = facts.reason === 'EACCES' || facts.reason === 'EPERM'
  return userError({
    exitCode: denied ? EXIT.permission : EXIT.unavailable,
    what: `${facts.path} cannot be given to UID ${facts.uid}`,
    where: facts.reason,
    todo: denied ? 'run it as root' : 'see dmesg',
  })
}

export function driverctlFailed(facts: { readonly command: string; readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `driverctl ${facts.command} failed`,
    where: facts.reason,
    todo: 'run it as root; see dmesg',
  })
}

/** No driver of the host's takes a device that was given back. */
export function noDriverTakes(facts: { readonly address: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `no driver of the host takes ${facts.address}`,
    todo: 'load its module (modprobe), then: echo ADDRESS > /sys/bus/pci/drivers_probe',
  })
}

/** Processes have more open than could be looked at in time. */
export function notLookedThrough(facts: { readonly device: string; readonly seconds: number }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `${facts.device} may be open still: processes have too many files open to look at all of them in ${facts.seconds} seconds`,
    todo: 'end those processes, and try again',
  })
}

/** A VM has the device or another one of its group, or another process has it. @param facts.why `is held by …` */
export function stillHeld(facts: { readonly device: string; readonly why: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `${facts.device} ${facts.why}`,
    todo: 'stop it first',
  })
}
