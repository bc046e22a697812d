import { readdirSync } from 'node:fs'
import { parseStat, readProc } from '../host/proc.js'
import { PLAN_VARIABLE, parseRuntimePlan, type RuntimePlan } from '../record/runtime-plan.js'
import { readSingleThread, readThreads, type Thread } from './threads.js'

/** A QEMU that was launched with a plan. */
export interface ManagedQemu {
  readonly pid: number
  readonly plan: RuntimePlan
}

/** Every QEMU with a plan that this user may look at, by PID. */
export function findManaged(): ManagedQemu[] {
  const found = listPids().flatMap((pid) => {
    const plan = readPlan(pid)
    return plan === null || !hasStarted(pid) ? [] : [{ pid, plan }]
  })
  return found.filter(({ pid, plan }) => isMain(pid, plan, found))
}

/** Programs that QEMU itself runs (a network helper, an exec: migration) have its environment: they are no VMs. */
function isMain(pid: number, plan: RuntimePlan, found: readonly ManagedQemu[]): boolean {
  const parent = parseStat(readProc(`/proc/${pid}/stat`) ?? '')?.field(4)
  return !found.some((other) => other.pid === parent && other.plan.id === plan.id)
}

/** Whether a process is QEMU already, not the launcher or a program of the chain before it. */
function hasStarted(pid: number): boolean {
  const name = readProc(`/proc/${pid}/comm`)?.trimEnd() ?? ''
  return !LAUNCH_CHAIN.includes(name)
}

const LAUNCH_CHAIN = ['sh', 'dash', 'bash', 'busybox', 'flock', 'taskset']

/** The plan that a process carries; null when it has none, has ended, or is not this user's to look at. */
export function readPlan(pid: number): RuntimePlan | null {
  const environment = readProc(`/proc/${pid}/environ`)?.split('\0') ?? []
  const prefix = `${PLAN_VARIABLE}=`
  const given = environment.find((assignment) => assignment.startsWith(prefix))
  if (given === undefined) return null
  return parseRuntimePlan(Buffer.from(given.slice(prefix.length), 'latin1').toString('utf8'))
}

/** All process IDs, ascending. */
export function listPids(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid))
    .sort((a, b) => a - b)
}

/**
 * QEMU's threads, with the kernel's vhost threads: they are QEMU's own since Linux 6.4, before that processes of the
 * kernel (drivers/vhost/vhost.c).
 * @param kernels whether those of the kernel are looked for, which takes a file for each of its threads
 * @returns oldest first; null when QEMU has ended
 */
export function readQemuThreads(pid: number, { kernels = true } = {}): Thread[] | null {
  const threads = readThreads(pid)
  if (!kernels || threads === null || threads.some(({ name }) => name === `vhost-${pid}`)) return threads
  return [...threads, ...readVhostProcesses(pid)]
}

const KTHREADD = 2

function readVhostProcesses(pid: number): Thread[] {
  const all = (readProc(`/proc/${KTHREADD}/task/${KTHREADD}/children`) ?? '').split(' ').filter(Boolean)
  return all
    .filter((child) => readProc(`/proc/${child}/comm`)?.trimEnd() === `vhost-${pid}`)
    .flatMap((child) => readSingleThread(Number(child)) ?? [])
}
