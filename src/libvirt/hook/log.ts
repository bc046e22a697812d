import { lstatSync } from 'node:fs'
import { isRootsAlone, writeByPath } from '../../report/by-path.js'
import { logToSystem } from '../../report/system-log.js'
import { ownLine } from '../../units/printable.js'

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

function appendToLog(domain: string, text: string): boolean {
  if (domain.includes('/') || domain.startsWith('.') || !isRootsDirectory(LOGS)) return false
  return writeByPath(`${LOGS}/${domain}.log`, text, isRootsAlone)
}

function isRootsDirectory(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && stat.uid === 0 && (stat.mode & OTHERS_WRITE) === 0
}
