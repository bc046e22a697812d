import { accessSync, constants, readlinkSync, realpathSync, statSync } from 'node:fs'
import { emulatorIsWrapper, noEmulator } from '../errors/plan.js'
import { emulatorArch } from '../plan/plan.js'
import { type Invocation, readRequest } from '../plan/request.js'
import { report, writeAll } from '../report/output.js'
import { launchLine } from './line.js'
import { preparePlan } from './prepare.js'
import { shellsOwnVariables } from './shell-environment.js'

/**
 * Prints the sh text for a launch.
 * @param args the launcher's basename, then its "$@"
 * @throws {UserError} see `launchText`
 */
export function launch([entry = '', ...args]: readonly string[]): void {
  writeAll(1, launchText({ entry, args, env: process.env, hostArch: process.arch }))
}

/**
 * Plans a launch.
 * @returns the sh text that the launcher evaluates: it becomes QEMU, or for what is to be seen rather than started,
 *   calls the planner again
 * @throws {UserError} when the plan cannot be made or the emulator is missing
 */
function launchText(invocation: Invocation): string {
  const request = readRequest(invocation)
  if (request.help) return 'qemu_rt_planner cli run --help'
  if (request.dryRun) return 'qemu_rt_planner report "$qemu_rt_entry" "$@"'
  const plan = preparePlan(request)
  checkEmulator(plan.emulator)
  // Only to a person: libvirt shows the end of its log when a start fails, and there QEMU's own words should stand.
  if (stderrIsTerminal()) for (const warning of plan.warnings) report(`warning: ${warning}`)
  const unset = shellsOwnVariables(invocation.env, process.ppid)
  return launchLine(plan.emulator, plan.words, invocation.args.length, unset)
}

function checkEmulator(path: string): void {
  const arch = emulatorArch(path) ?? 'x86_64'
  try {
    // Becoming itself again and again would look like a hung start.
    if (/\/qemu-rt[^/]*$/.test(realpathSync(path))) throw emulatorIsWrapper({ path })
    if (!statSync(path).isFile()) throw noEmulator({ path, reason: 'is not a file', arch })
    accessSync(path, constants.X_OK)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') throw noEmulator({ path, reason: 'does not exist', arch })
    if (code === 'EACCES') throw noEmulator({ path, reason: 'is not executable for this user', arch })
    throw error
  }
}

/** As isatty(3) does for its name; loading node:tty takes the planner's executable 3 ms, a sixth of its time. */
function stderrIsTerminal(): boolean {
  try {
    return /^\/dev\/(pts\/|tty|console)/.test(readlinkSync('/proc/self/fd/2'))
  } catch {
    return false
  }
}
