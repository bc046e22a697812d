import type { SmtOff } from '../units/smt.js'
import { EXIT, type UserError, userError } from './user-error.js'

export function badVcpuCount(facts: { readonly key: string; readonly value: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `number of vCPUs '${facts.value}' does not parse`,
    where: `${facts.key} of -smp`,
    todo: 'write a whole number, such as -smp 4 or -smp 2,maxcpus=4',
  })
}

/** More vCPUs than any machine has; a negative number is read as one of these. */
export function tooManyVcpus(facts: { readonly count: number; readonly most: number }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `-smp gives ${facts.count} vCPUs, and no machine has more than ${facts.most}`,
    todo: 'write how many the guest is to have, such as -smp 4',
  })
}

/** A choice by name of a set that [host] does not define. */
export function hostSetMissing(facts: { readonly set: string; readonly where: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `'${facts.set}' is not defined under [host]`,
    where: facts.where,
    todo: `write ${facts.set} = "…" under [host], or give the CPUs as a list`,
  })
}

export function unknownCpus(facts: {
  readonly cpus: string
  readonly present: string
  readonly where: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `CPU ${facts.cpus} does not exist on this host`,
    where: facts.where,
    todo: `name only CPUs of this host: ${facts.present}`,
  })
}

/** After CPUs that are offline while SMT is off. */
export const OFFLINE_BY_SMT = 'offline since SMT is off'

/** How SMT is switched on, by how it is off (Linux kernel/cpu.c, __store_smt_control). */
export const SMT_ON: Readonly<Record<SmtOff, string>> = {
  off: 'turn SMT on (as root: echo on >/sys/devices/system/cpu/smt/control)',
  forceoff: 'boot without nosmt=force',
}

export function cpusOffline(facts: {
  readonly cpus: string
  readonly where: string
  /** How SMT is off; absent where it is not, or nobody has looked. */
  readonly smt?: SmtOff | undefined
}): UserError {
  const { cpus, where, smt } = facts
  return userError({
    exitCode: EXIT.unavailable,
    what: `CPU ${cpus} is ${smt === undefined ? 'offline' : OFFLINE_BY_SMT}`,
    where,
    todo:
      smt === undefined
        ? `run as root: chcpu -e ${cpus}, or choose others`
        : `choose others, or ${SMT_ON[smt]}`,
  })
}

export function cpusNotAllowed(facts: {
  readonly cpus: string
  /** What keeps them from the VM: `offline`. */
  readonly why: string
  readonly remedies: readonly string[]
  readonly where: string
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `QEMU cannot use CPU ${facts.cpus}: ${facts.why}`,
    where: facts.where,
    todo: [...facts.remedies, 'choose other CPUs'].join(', or '),
  })
}

/** vCPUs of a guest of which some can be plugged later (`maxcpus` of -smp). */
export interface Pluggable {
  readonly present: number
  readonly possible: number
}

export function tooFewCpus(facts: {
  readonly vcpus: number
  readonly pluggable: Pluggable | null
  readonly cpus: string
  /** What keeps others of the list from the VM; empty when nothing does. */
  readonly obstacles: string
  readonly where: string
}): UserError {
  const obstacles = facts.obstacles === '' ? '' : ` (${facts.obstacles})`
  return userError({
    exitCode: EXIT.unavailable,
    what: `${describePluggable(facts.pluggable)}${count(facts.vcpus, 'vCPU')} need a CPU each, and only ${cpus(facts.cpus)} there${obstacles}`,
    where: facts.where,
    todo: `give each vCPU a CPU of its own, or the guest fewer vCPUs${waitForPlugging(facts.pluggable)}`,
  })
}

/** `cpus = "auto"` and too few CPUs that are free. */
export function noFreeCpus(facts: {
  readonly wanted: number
  readonly what: string
  readonly pluggable: Pluggable | null
  readonly realtime: string
  readonly free: string
  /** What keeps others of the set from the VM; empty when nothing does. */
  readonly obstacles: string
  /** Whether all that is missing is what other VMs hold. */
  readonly areHeld: boolean
  readonly remedies: readonly string[]
  /** Why those that are free are not enough, though there are as many: `whole cores are wanted`. */
  readonly because: string | null
  /** Whether it may be enough when other VMs have ended. */
  readonly mayPass: boolean
  readonly where: string
}): UserError {
  const able = facts.areHeld || facts.obstacles === '' ? 'free' : 'usable'
  const free = facts.free === '' ? `none is ${able}` : `only ${cpus(facts.free)} ${able}`
  const supply =
    facts.free === facts.realtime && facts.obstacles === '' && facts.because === null
      ? `only realtime ${cpus(facts.realtime)} there`
      : `of realtime CPUs ${facts.realtime} ${free}`
  const obstacles = facts.obstacles === '' ? '' : ` (${facts.obstacles})`
  const because = facts.because === null ? '' : `, and ${facts.because}`
  const others = facts.obstacles === '' ? ['give the guest fewer vCPUs'] : []
  return userError({
    exitCode: EXIT.unavailable,
    what: `${describePluggable(facts.pluggable)}${facts.what} need ${count(facts.wanted, 'CPU')}; ${supply}${obstacles}${because}`,
    where: facts.where,
    todo:
      alternatives(facts.remedies, [
        ...(facts.areHeld || facts.obstacles === '' ? ['widen realtime under [host]'] : []),
        ...others,
      ]) + waitForPlugging(facts.pluggable),
    mayPass: facts.mayPass,
  })
}

function alternatives(first: readonly string[], then: readonly string[]): string {
  const all = [...first, ...then]
  return all.length === 0 ? 'give the guest fewer vCPUs' : all.join(', or ')
}

/** A real-time thread on a CPU that another VM holds. */
export function cpusHeld(facts: {
  /** Null for vCPUs. */
  readonly what: string | null
  readonly cpus: string
  readonly holder: string
  readonly where: string
}): UserError {
  const [start, link] = facts.what === null ? ['', ''] : [`${facts.what} would run on `, ', which']
  return userError({
    exitCode: EXIT.unavailable,
    what: `${start}CPU ${facts.cpus}${link} is held by ${facts.holder}`,
    where: facts.where,
    todo: 'stop that VM or wait for it with --wait SECONDS, or choose other CPUs (cpus = "auto" finds free ones)',
    mayPass: true,
  })
}

export function realtimeWithoutCpus(facts: { readonly vcpu: number; readonly where: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `vCPU ${facts.vcpu} is real-time and has no CPUs of its own`,
    where: facts.where,
    todo: 'add cpus = "auto", or name a CPU for it',
  })
}

export function noRealtimeVcpu(facts: {
  readonly mask: string
  readonly vcpus: number
  readonly where: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `realtime-mask "${facts.mask}" leaves none of ${count(facts.vcpus, 'vCPU')} real-time`,
    where: facts.where,
    todo: 'give the guest more vCPUs, or change the mask',
  })
}

/** A real-time vCPU on a CPU that [host] keeps for housekeeping. */
export function realtimeOnReservedCpu(facts: {
  readonly what: string
  readonly cpus: string
  readonly where: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `${facts.what} would run on housekeeping CPU ${facts.cpus}`,
    where: facts.where,
    todo: 'give it realtime CPUs, or cpus = "auto"',
  })
}

export function switchCpusTaken(facts: {
  readonly what: string
  readonly cpus: string
  readonly where: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `${facts.what} would run on switch CPU ${facts.cpus}`,
    where: facts.where,
    todo: "switch CPUs are the poll-mode switch's alone; choose others",
  })
}

export function realtimeShared(facts: {
  readonly what: string
  readonly other: string
  readonly cpus: string
  readonly where: string
}): UserError {
  return userError({
    exitCode: EXIT.config,
    what: `${facts.what} would share CPU ${facts.cpus} with ${facts.other}, which it would starve`,
    where: facts.where,
    todo: 'give one of the two other CPUs',
  })
}

/** QEMU is started where it cannot have the CPUs of its emulator threads, and nobody moves it. */
export function emulatorKeptAway(facts: {
  readonly cpus: string
  readonly cpuset: string
  readonly where: string
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `emulator threads cannot have CPU ${facts.cpus}: the cpuset that QEMU is started in is ${facts.cpuset} (libvirt: <emulatorpin>, <vcpu cpuset>)`,
    where: facts.where,
    todo: "widen <emulatorpin>, take emulator out of the profile, or install libvirt's hook of qemu-rt, which moves them",
  })
}

/** Nothing is left for QEMU's main thread besides its real-time vCPUs. */
export function noEmulatorCpus(facts: {
  readonly cpus: string
  /** Null when [host] defines none. */
  readonly housekeeping: string | null
  readonly obstacles: string
  readonly remedies: readonly string[]
  /** Whether it may be otherwise when other VMs have ended. */
  readonly mayPass: boolean
  readonly where: string
}): UserError {
  const { mayPass } = facts
  const own = 'emulator = { cpus = "…" } in the profile'
  if (facts.housekeeping === null) {
    const obstacles = facts.obstacles === '' ? '' : ` (${facts.obstacles})`
    return userError({
      exitCode: mayPass ? EXIT.unavailable : EXIT.config,
      what: `no CPU is left for emulator threads beside the real-time vCPUs on CPU ${facts.cpus}${obstacles}`,
      where: facts.where,
      todo: [...facts.remedies, 'set housekeeping under [host]', own].join(', or '),
      mayPass,
    })
  }
  return userError({
    exitCode: EXIT.unavailable,
    what: `no CPU is left for emulator threads: of housekeeping CPUs ${facts.housekeeping} none is usable (${facts.obstacles})`,
    where: facts.where,
    todo: [...facts.remedies, `set ${own} to CPUs that are`].join(', or '),
    mayPass,
  })
}

function describePluggable(pluggable: Pluggable | null): string {
  if (pluggable === null) return ''
  return `the guest has ${count(pluggable.present, 'vCPU')} and maxcpus=${pluggable.possible}, so `
}

function waitForPlugging(pluggable: Pluggable | null): string {
  if (pluggable === null) return ''
  return `, or write hotplug = "later" for vcpus: then ${count(pluggable.present, 'CPU')} will do at the start`
}

/** @param list as the kernel writes it */
function cpus(list: string): string {
  return /[-,]/.test(list) ? `CPUs ${list} are` : `CPU ${list} is`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

/** `cpus = "vcpu"` for a VM whose vCPUs get no CPUs. */
export function noVcpuCpus(facts: { readonly where: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: "interrupts go to the vCPUs' CPUs, and this VM's vCPUs get none",
    where: facts.where,
    todo: 'write cpus for vcpus in its profile, or cpus = "housekeeping" for interrupts',
  })
}
