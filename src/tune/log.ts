import { readlinkSync, writeSync } from 'node:fs'
import { onlyRootWrites } from '../config/ownership.js'
import { STDERR_VARIABLE } from '../record/vm.js'
import { isRootsAlone, writeByPath } from '../report/by-path.js'
import { logToSystem } from '../report/system-log.js'
import { isTerminalPath } from '../units/path.js'
import { ownLine } from '../units/printable.js'
import { writeToStderrOf } from './stderr-of.js'

/**
 * Writes one line where QEMU's own messages go: the domain's log for libvirt, the terminal for a person. A user's tuner
 * opens that stream through /proc when there is something to say, so that it was not held until then. Root's tuner goes
 * by the path that the launch's stderr had before QEMU ran: what QEMU's is since then is QEMU's word. Where neither would
 * do, the tuner was given that stream. Where there is none (`-daemonize`), QEMU has ended or it is another user's
 * (`-runas`), the line goes to the system's log.
 * @param pid QEMU; null when it has ended
 */
export async function logLine(pid: number | null, message: string): Promise<void> {
  const text = ownLine(message)
  const path = process.env[STDERR_VARIABLE]
  if (pid !== null && (writeToStderrOf(pid, text) || (path !== undefined && writeAsRoot(path, text)))) return
  if (!writeToOwnStderr(text)) await logToSystem(message)
}

/** A terminal may be any user's; in a file only root's own word may stand. */
function writeAsRoot(path: string, text: string): boolean {
  if (isTerminalPath(path)) return writeByPath(path, text, (opened) => opened.isCharacterDevice())
  return onlyRootWrites(path) && writeByPath(path, text, isRootsAlone)
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
