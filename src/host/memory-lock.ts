import { readFileSync } from 'node:fs'
import type { Bytes } from '../units/bytes.js'
import type { Root } from './sysroot.js'

/** Bit of CAP_IPC_LOCK in /proc/PID/status (linux/capability.h): whoever has it may lock any amount. */
const CAP_IPC_LOCK = 14n

/**
 * How much memory QEMU will be allowed to lock: this process's own limit, which it hands on (getrlimit(2),
 * RLIMIT_MEMLOCK).
 * @returns bytes; `unlimited`; null when the host does not say, as a captured one
 */
export function readMemoryLockLimit(root: Root): Bytes | 'unlimited' | null {
  const limits = readProc(`${root}/proc/self/limits`)
  const soft = /^Max locked memory +(\S+)/m.exec(limits)?.[1]
  if (soft === undefined) return null
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(readProc(`${root}/proc/self/status`))?.[1] ?? '0'
  const exempt = (BigInt(`0x${capabilities}`) >> CAP_IPC_LOCK) & 1n
  return exempt === 1n || soft === 'unlimited' ? 'unlimited' : BigInt(soft)
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
