import { readQemuThreads } from './processes.js'
import { rolesOf } from './roles.js'

/** Numbers of the vCPUs that a QEMU has threads for, as it names them: its own word. */
export function runningVcpus(pid: number): number[] {
  const roles = [...rolesOf(readQemuThreads(pid, { kernels: 'none' }) ?? [], []).values()]
  return roles.flatMap((role) => (role.kind === 'vcpu' ? role.vcpu : []))
}
