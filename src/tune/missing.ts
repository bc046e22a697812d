import { threadsNotFound } from '../errors/tune.js'
import type { ThreadPlan } from '../plan/threads/thread-plan.js'
import { describeRole, type Role } from './roles.js'

/** Threads that a QEMU is to have from its start. */
export interface Expected {
  readonly plan: ThreadPlan
  /** How many vCPUs there are from the start. */
  readonly vcpusAtStart: number
}

/**
 * The planned threads that are not there, or were not recognised: QEMU is not that far, or has given them no name.
 * @param roles of all its threads
 */
export function missingRoles(roles: readonly Role[], { plan, vcpusAtStart }: Expected): Role[] {
  // How many threads there are is QEMU's to say.
  const there = new Set(roles.map(describeRole))
  // Any vCPUs may be the ones that are there from the start: those of the plan that can be plugged are not told apart.
  const running = roles.filter(({ kind }) => kind === 'vcpu').length
  const hasVcpus = running >= vcpusAtStart || roles.some(({ kind }) => kind === 'all-vcpus')
  const vcpus = hasVcpus
    ? []
    : Array.from({ length: vcpusAtStart }, (_, vcpu): Role => ({ kind: 'vcpu', vcpu }))
  const iothreads = plan.iothreads.map(({ id }): Role => ({ kind: 'iothread', id }))
  return [...vcpus, ...iothreads].filter((role) => !there.has(describeRole(role)))
}

/** Says which threads were not found, and what to do; none for none. */
export function describeMissing(roles: readonly Role[], { plan: { unnamed = [] } }: Expected): string[] {
  if (roles.length === 0) return []
  const isNameless = (role: Role) =>
    role.kind === 'iothread' && unnamed.some(({ type, id }) => type === 'iothread' && id === role.id)
  return [threadsNotFound({ threads: roles.map(describeRole), areNameless: roles.every(isNameless) }).message]
}
