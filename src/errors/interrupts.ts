import { EXIT, type UserError, userError } from './user-error.js'

/** `cpus = "vcpu"` for a VM whose vCPUs get no CPUs. */
export function noVcpuCpus(facts: { readonly where: string }): UserError {
  return userError({
    exitCode: EXIT.config,
    what: "interrupts go to the vCPUs' CPUs, and this VM's vCPUs get none",
    where: facts.where,
    todo: 'write cpus for vcpus in its profile, or cpus = "housekeeping" for interrupts',
  })
}
