import { closeSync, constants, openSync, readlinkSync, writeSync } from 'node:fs'
import { ownerOf } from '../host/process.js'
import { run } from '../host/program.js'
import { ownLine, printable } from '../units/printable.js'

/**
 * Writes one line where QEMU's own messages go: the domain's log for libvirt, the terminal for a person. That stream is
 * opened through /proc when there is something to say, so that it was not held until then; where that would not do, the
 * tuner was given it. Where QEMU has none (`-daemonize`), is gone or has become another user's (`-runas`), the line goes to
 * the system's log: a descriptor is whatever its process makes of it, and only what this user may do anyway is done by it.
 */
export async function logLine(pid: number, message: string): Promise<void> {
  const text = ownLine(message)
  if (writeToStderrOf(pid, text) || writeToOwnStderr(text)) return
  await run(['logger', '--tag', 'qemu-rt', '--', printable(message)])
}

function writeToStderrOf(pid: number, text: string): boolean {
  const stderr = `/proc/${pid}/fd/2`
  if (ownerOf(pid) !== process.geteuid?.()) return false
  try {
    const path = readlinkSync(stderr)
    if (path === '/dev/null' || path === readlinkSync('/proc/self/fd/2')) return false
    // O_NONBLOCK: a pipe that nobody reads, or is full, must not keep us.
    const { O_WRONLY, O_APPEND, O_NOCTTY, O_NONBLOCK } = constants
    const file = openSync(stderr, O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK)
    try {
      writeSync(file, text)
      return true
    } finally {
      closeSync(file)
    }
  } catch {
    return false
  }
}

function writeToOwnStderr(text: string): boolean {
  try {
    if (readlinkSync('/proc/self/fd/2') === '/dev/null') return false
    writeSync(2, text)
    return true
  } catch {
    return false
  }
}
