import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { processId } from '../record/process-id.js'
import type { ProcessId } from '../record/vm.js'

/** Where libvirt keeps what it knows of the domains that run (src/qemu/qemu_conf.c, stateDir); root's. */
const STATE = '/run/libvirt/qemu'

/** The PID is in the first element, `<domstatus state='paused' reason='starting up' pid='4711'>`. */
const FIRST_BYTES = 1024

/**
 * The QEMU of a domain that runs, by the file in which libvirtd keeps its state. Not by its PID file: QEMU has that one
 * open for writing, since it keeps it locked (src/util/virpidfile.c, virPidFileAcquirePathFull).
 * @returns null when libvirt has no such domain running
 */
export function processOfDomain(domain: string): ProcessId | null {
  if (domain.includes('/') || domain.startsWith('.')) return null
  const state = readRootsStart(`${STATE}/${domain}.xml`)
  const pid = /<domstatus\s[^>]*\bpid='(\d{1,10})'/.exec(state ?? '')?.[1]
  if (pid === undefined) return null
  const found = processId(Number(pid))
  return found.startTicks === 0 ? null : found
}

function readRootsStart(path: string): string | null {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      if (!fstatSync(file).isFile() || fstatSync(file).uid !== 0) return null
      const bytes = Buffer.alloc(FIRST_BYTES)
      return bytes.toString('latin1', 0, readSync(file, bytes, 0, FIRST_BYTES, 0))
    } finally {
      closeSync(file)
    }
  } catch {
    return null
  }
}
