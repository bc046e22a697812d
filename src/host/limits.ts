import type { Bytes } from '../units/bytes.js'
import { readProc } from './proc.js'
import type { Root } from './sysroot.js'

/** Bits of /proc/PID/status (linux/capability.h). */
const BITS = { ipcLock: 14n, sysNice: 23n } as const

/**
 * Whether a process has a capability in effect (capabilities(7)).
 * @param status text of /proc/PID/status
 */
export function hasCapability(status: string, capability: keyof typeof BITS): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'
  return ((BigInt(`0x${effective}`) >> BITS[capability]) & 1n) === 1n
}

/**
 * How much memory QEMU will be allowed to lock: this process's own limit, which it hands on (getrlimit(2),
 * RLIMIT_MEMLOCK). With CAP_IPC_LOCK it may lock any amount.
 * @returns bytes; `unlimited`; null when the host does not say, as a captured one
 */
export function readMemoryLockLimit(root: Root): Bytes | 'unlimited' | null {
  const limits = readProc(`${root}/proc/self/limits`) ?? ''
  const soft = /^Max locked memory +(\S+)/m.exec(limits)?.[1]
  if (soft === undefined) return null
  const exempt = hasCapability(readProc(`${root}/proc/self/status`) ?? '', 'ipcLock')
  return exempt || soft === 'unlimited' ? 'unlimited' : BigInt(soft)
}

/** What the kernel leaves real-time threads of a process (getrlimit(2)). */
export interface RealtimeLimits {
  /** The highest priority that its user may give them, RLIMIT_RTPRIO. */
  readonly priority: number | 'unlimited'
  /** Microseconds that one may run without a pause before the kernel ends the process, RLIMIT_RTTIME. */
  readonly time: number | 'unlimited'
}

/**
 * This process's own limits, which it hands on to QEMU. With CAP_SYS_NICE it may give any priority.
 * @returns null when the host does not say, as a captured one
 */
export function readRealtimeLimits(root: Root): RealtimeLimits | null {
  const limits = readProc(`${root}/proc/self/limits`) ?? ''
  const soft = (name: string): number | 'unlimited' | null => {
    const text = new RegExp(`^${name} +(unlimited|\\d+)`, 'm').exec(limits)?.[1]
    return text === undefined ? null : text === 'unlimited' ? text : Number(text)
  }
  const [priority, time] = [soft('Max realtime priority'), soft('Max realtime timeout')]
  if (priority === null || time === null) return null
  const isExempt = hasCapability(readProc(`${root}/proc/self/status`) ?? '', 'sysNice')
  return { priority: isExempt ? 'unlimited' : priority, time }
}
