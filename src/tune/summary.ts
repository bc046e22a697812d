import { isRealtime, type ThreadPlan, type ThreadSetting } from '../plan/threads/thread-plan.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { describeRole, type Role, rolesOf, settingFor } from './roles.js'
import type { Thread } from './threads.js'

/** Says in a few words what threads have: `vCPU 0 on CPU 4 fifo 1, vCPU 1 on CPU 5 fifo 1, emulator on CPU 0-1`. */
export function summarize(threads: readonly Thread[], plan: ThreadPlan): string {
  const roles = rolesOf(threads, plan.unnamed ?? [])
  const phrases = [...roles].flatMap(([{ isBound }, role]) => {
    const setting = settingFor(role, plan)
    return setting === null || isBound === true ? [] : describeSetting(nameOf(role, plan), setting)
  })
  return [...new Set(phrases)].join(', ')
}

/** QEMU says how many I/O threads and contexts there are, and their names: those of the plan are told apart. */
function nameOf(role: Role, { iothreads }: ThreadPlan): string {
  if (role.kind === 'thread-context') return 'thread contexts'
  const isOther = role.kind === 'iothread' && iothreads.every(({ id }) => id !== role.id)
  return isOther ? 'other I/O threads' : describeRole(role)
}

function describeSetting(what: string, { cpus, policy, priority }: ThreadSetting): string {
  const place = cpus === null ? '' : ` on CPU ${formatCpuSet(cpus)}`
  const scheduling = policy === null ? '' : ` ${policy}${isRealtime({ policy }) ? ` ${priority}` : ''}`
  return `${what}${place}${scheduling}`
}
