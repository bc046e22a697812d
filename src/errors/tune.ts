import { EXIT, type UserError, userError } from './user-error.js'

export function tunerNotStarted(facts: { readonly reason: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `the tuner, which places QEMU's threads, cannot be started (${facts.reason})`,
    todo: 'install util-linux (taskset) and see that it is in PATH',
  })
}

export function badSelector(facts: { readonly text: string; readonly problem: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `--set '${facts.text}' does not parse`,
    where: facts.problem,
    todo: 'write WHO=CPUS[:POLICY[:PRIORITY]], such as vcpus=4-7:fifo:1 or iothread:disk=0-1',
  })
}

/** `--set` and no thread that it means. */
export function selectorMatchesNothing(facts: {
  readonly text: string
  readonly threads: readonly string[]
  /** Whether QEMU names its threads. */
  readonly areNamed: boolean
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `--set '${facts.text}' matches no thread`,
    where: `there are ${facts.threads.join(', ')}`,
    todo: facts.areNamed ? null : NAME_THEM,
  })
}

const NAME_THEM = 'start QEMU with -name …,debug-threads=on, which names its threads'

/** A QEMU without names for its threads. */
export function threadsNotNamed(): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: "QEMU's threads cannot be told apart",
    where: 'none has the name of a vCPU, and its vCPUs would be set as emulator threads',
    todo: NAME_THEM,
  })
}

export function noTarget(): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: 'tune needs to know which QEMU',
    todo: 'give exactly one of --pid N, --domain NAME, --all',
  })
}

export function badPid(facts: { readonly pid: string }): UserError {
  return userError({
    exitCode: EXIT.usage,
    what: `'${facts.pid}' is not a PID`,
    where: '--pid',
    todo: 'give a number, or --domain NAME',
  })
}

export function noSuchProcess(facts: { readonly pid: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `no process ${facts.pid} is visible to this user`,
    todo: "see 'qemu-rt status', or run as root",
  })
}

export function notQemu(facts: { readonly pid: number; readonly program: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `PID ${facts.pid} is not a QEMU`,
    where: `it runs ${facts.program}`,
    todo: "see 'qemu-rt status'",
  })
}

export function noSuchDomain(facts: {
  readonly name: string
  readonly known: readonly string[]
  readonly isRoot: boolean
}): UserError {
  const others = facts.known.length === 0 ? 'none is running' : `these are: ${facts.known.join(', ')}`
  return userError({
    exitCode: EXIT.unavailable,
    what: facts.isRoot
      ? `no VM '${facts.name}' is running that root or libvirt has a record of`
      : `no running QEMU for guest '${facts.name}' is visible to this user`,
    where: others,
    todo: facts.isRoot
      ? 'for a QEMU that somebody started by hand give --pid, with --profile or --set'
      : 'run as root for the domains of libvirt',
  })
}

/** A profile's plan goes by QEMU's arguments. */
export function argumentsNotRead(facts: { readonly pid: number }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `the arguments of PID ${facts.pid}, by which a profile is planned, cannot be read: there are none, too many, or such as QEMU refuses`,
    todo: 'give --set WHO=CPUS instead of --profile',
  })
}

/** Neither a record with a plan, nor a plan given. */
export function noPlan(facts: { readonly pid: number }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `there is no record of a plan for the threads of PID ${facts.pid}: qemu-rt did not start it for this user, or its profile places none`,
    todo: 'give --profile NAME, or --set WHO=CPUS',
  })
}

export function noSuchCpus(facts: {
  readonly what: string
  readonly cpus: string
  readonly present: string
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `CPU ${facts.cpus}, for ${facts.what}, does not exist on this host`,
    todo: `name only CPUs of this host: ${facts.present}`,
  })
}

/** A vCPU that would starve QEMU's main thread. */
export function vcpuStarvesMain(facts: { readonly what: string; readonly cpus: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `${facts.what} would be real-time on CPU ${facts.cpus}, where QEMU's main thread runs: it would starve it`,
    todo: 'give the two different CPUs, such as --set emulator=0 --set vcpus=1:fifo',
  })
}

/** Threads of the plan that were not found among QEMU's. */
export function threadsNotFound(facts: {
  readonly threads: readonly string[]
  /** Whether their ids are so long that QEMU cannot name them. */
  readonly areNameless: boolean
}): UserError {
  const [be, it] = facts.threads.length === 1 ? ['was', 'it'] : ['were', 'them']
  return userError({
    exitCode: EXIT.unavailable,
    what: `${facts.threads.join(', ')} ${be} not found among QEMU's threads and ${be} not set`,
    where: facts.areNameless ? 'QEMU cannot name a thread whose id is longer than 12 bytes' : null,
    todo: facts.areNameless
      ? `give ${it} a shorter id and start the VM again`
      : `see 'qemu-rt status', and run 'qemu-rt tune' when QEMU has ${it}`,
  })
}

/** Threads of the plan were not found; all else is set. `causes`: each with what to do about it. */
export function tuneIncomplete(facts: { readonly causes: readonly string[] }): UserError {
  return userError({ exitCode: EXIT.unavailable, what: facts.causes.join('; also ') })
}

/** `causes`: each with what to do about it. */
export function tuneRefused(facts: { readonly causes: readonly string[] }): UserError {
  return userError({ exitCode: EXIT.permission, what: facts.causes.join('; also ') })
}
