import { closeSync, constants, fstatSync, lstatSync, openSync, writeSync } from 'node:fs'
import { run } from '../../host/program.js'
import { ownLine, printable } from '../../units/printable.js'

/** Where libvirt keeps the domains' logs (src/qemu/qemu_domain.c, qemuDomainLogContextNew); root's. */
const LOGS = '/var/log/libvirt/qemu'

/** Group and others. */
const OTHERS_WRITE = 0o022

/**
 * Writes a line into a domain's log, in which QEMU's own messages are, or into the system's where that is not a file of
 * root's alone. Never through a descriptor of QEMU's: that is whatever QEMU makes of it.
 */
export async function logForDomain(domain: string, message: string): Promise<void> {
  if (!appendToLog(domain, ownLine(message))) await logToSystem(message)
}

/** libvirt drops what a hook says that does not fail. */
export async function logToSystem(message: string): Promise<void> {
  await run(['logger', '--tag', 'qemu-rt', '--', printable(message)])
}

function appendToLog(domain: string, text: string): boolean {
  if (domain.includes('/') || domain.startsWith('.')) return false
  try {
    if (!isRootsDirectory(LOGS)) return false
    const { O_WRONLY, O_APPEND, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants
    const file = openSync(`${LOGS}/${domain}.log`, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
    try {
      const { uid, nlink, mode } = fstatSync(file)
      if (!fstatSync(file).isFile() || uid !== 0 || nlink !== 1 || (mode & OTHERS_WRITE) !== 0) return false
      writeSync(file, text)
      return true
    } finally {
      closeSync(file)
    }
  } catch {
    return false
  }
}

function isRootsDirectory(path: string): boolean {
  const { uid, mode } = lstatSync(path)
  return lstatSync(path).isDirectory() && uid === 0 && (mode & OTHERS_WRITE) === 0
}
