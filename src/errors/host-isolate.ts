import { EXIT, type UserError, userError } from './user-error.js'

/** The kernel does not make the partition. */
export function cpusNotIsolated(facts: {
  readonly cpus: string
  readonly path: string
  /** `isolated invalid (…)`: what cpuset.cpus.partition says (Linux Documentation/admin-guide/cgroup-v2.rst). */
  readonly reason: string
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `the kernel does not isolate CPU ${facts.cpus}: ${facts.reason}`,
    where: facts.path,
    todo: 'take these CPUs out of cpuset.cpus and cpuset.cpus.exclusive of the other cgroups right below /sys/fs/cgroup, and run this again',
  })
}

/** This host has no cgroup v2 with the cpuset controller. */
export function noCpusets(facts: { readonly path: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: 'there is no cgroup v2 with the cpuset controller here',
    where: facts.path,
    todo: 'boot with systemd.unified_cgroup_hierarchy=1, or isolate with isolcpus=',
  })
}

/** Without remote partitions the vCPUs of libvirt's VMs would not reach isolated CPUs. */
export function noRemotePartitions(facts: { readonly path: string; readonly cpus: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: 'host isolate needs Linux 6.8 or newer',
    where: `there is no ${facts.path}`,
    todo: `boot with isolcpus=managed_irq,domain,${facts.cpus} instead`,
  })
}

/** A VM has CPUs that would be taken from under it. */
export function cpusHaveVm(facts: { readonly cpus: string; readonly holder: string }): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `CPU ${facts.cpus} is held by ${facts.holder}, which would lose it`,
    todo: 'shut that VM down, then run this again',
  })
}

/** All CPUs would be taken from the system. */
export function nothingLeft(facts: { readonly place: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: '[host] realtime has all CPUs that are online, and the system needs one',
    where: facts.place,
    todo: 'leave at least one CPU out of realtime',
  })
}
