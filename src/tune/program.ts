import type { CommandLine } from '../argv/command-line.js'
import { emulatorArch } from '../emulator/names.js'
import { readProc } from '../host/proc.js'
import { readLink } from '../host/sysfs.js'

/**
 * The file that a process runs, `/usr/bin/qemu-system-x86_64`. Not its name, which is its own to choose: QEMU's
 * `-name …,process=`, libvirt's set_process_name. Where the file is not this user's to see, its name is all there is.
 */
export function programOf(pid: number): string {
  // The kernel says so of a file that an update has replaced (fs/d_path.c).
  const file = readLink(`/proc/${pid}/exe`)?.replace(/ \(deleted\)$/, '')
  return file ?? readProc(`/proc/${pid}/comm`)?.trimEnd() ?? ''
}

/** Names of QEMU that tell no architecture: RHEL's and Proxmox's. */
const NAMES = ['qemu-kvm', 'kvm']

/** Programs that run before QEMU in a launch. */
const LAUNCH_CHAIN = ['sh', 'dash', 'bash', 'busybox', 'flock', 'taskset']

/** Whether a process is a program of the launch's, before QEMU. */
export function isOfLaunch(pid: number): boolean {
  return LAUNCH_CHAIN.includes(basename(programOf(pid)))
}

/**
 * Whether a process is a QEMU: by its file's name, else by its arguments, for a QEMU of any other name (`/opt/emulator`).
 * @param line its arguments
 */
export function isQemu(pid: number, line: CommandLine): boolean {
  const name = basename(programOf(pid))
  // A process's name is cut to 15 bytes, `qemu-system-x86`.
  if (emulatorArch(name) !== null || name.startsWith('qemu-system-') || NAMES.includes(name)) return true
  return !LAUNCH_CHAIN.includes(name) && hasQemuArguments(line)
}

/** A program that runs QEMU as its child has QEMU's arguments, too, but after its path. */
function hasQemuArguments(line: CommandLine): boolean {
  const areKnown = line.every((item) => item.kind === 'option' && item.spec !== null)
  return areKnown && line.some((item) => item.kind === 'option' && item.name === 'name')
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
