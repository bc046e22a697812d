import { readQemuThreads } from './processes.js'
import { rolesOf } from './roles.js'
import type { Thread } from './threads.js'

/** Numbers of the vCPUs that a QEMU has threads for, as it names them: its own word. */
export function runningVcpus(pid: number): number[] {
  return vcpusAmong(readQemuThreads(pid, { kernels: 'none' }) ?? [])
}

/** `runningVcpus` of threads that were read. @param threads oldest first */
export function vcpusAmong(threads: readonly Thread[]): number[] {
  const roles = [...rolesOf(threads, []).values()]
  return roles.flatMap((role) => (role.kind === 'vcpu' ? role.vcpu : []))
}
