import { closeSync, constants, openSync, readSync } from 'node:fs'
import { errorCode } from '../sysfs.js'

/**
 * What tells of stalls and throttling: RCU's stall detector (Documentation/RCU/stallwarn.rst), the scheduler's throttling
 * (kernel/sched/rt.c) and the lockup detectors (kernel/watchdog.c).
 */
const TELLING = /detected stalls|self-detected stall|RT throttling activated|soft lockup|hard LOCKUP/

/** /dev/kmsg gives a record at a time, of at most this (include/linux/printk.h, CONSOLE_EXT_LOG_MAX). */
const RECORD_BYTES = 8192
const MOST_RECORDS = 100_000
const MOST_LINES = 20

/**
 * Reads the kernel's log for what tells of stalls and throttling; nothing else of it is kept.
 * @returns null with the reason when this user may not read it
 */
export function readKernelLog(): { readonly lines: readonly string[] | null; readonly why: string } {
  let file: number
  try {
    file = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    return { lines: null, why: `/dev/kmsg cannot be read (${errorCode(error) ?? 'EIO'})` }
  }
  const lines: string[] = []
  const record = Buffer.alloc(RECORD_BYTES)
  try {
    for (let count = 0; count < MOST_RECORDS && lines.length < MOST_LINES; count++) {
      try {
        const size = readSync(file, record, 0, record.length, null)
        if (size === 0) break
        const [line = ''] = record
          .toString('utf8', 0, size)
          .replace(/^[^;]*;/, '')
          .split('\n')
        if (TELLING.test(line)) lines.push(line)
      } catch (error) {
        const code = errorCode(error)
        // EPIPE: records were overwritten meanwhile, and the next one follows.
        if (code === 'EPIPE') continue
        if (code === 'EAGAIN') break
        return { lines: null, why: `/dev/kmsg cannot be read (${code ?? 'EIO'})` }
      }
    }
  } finally {
    closeSync(file)
  }
  return { lines, why: '' }
}
