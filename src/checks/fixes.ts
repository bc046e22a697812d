import { SMT_ON } from '../errors/threads.js'
import { type CpuSet, formatCpuSet } from '../units/cpu-set.js'
import type { SmtOff } from '../units/smt.js'

/** The file of sysctl.d that fixes write to. */
export const SYSCTL_FILE = '/etc/sysctl.d/90-qemu-rt.conf'
const TMPFILES_FILE = '/etc/tmpfiles.d/90-qemu-rt.conf'
const MODPROBE_FILE = '/etc/modprobe.d/90-qemu-rt.conf'

/** Sets a sysctl now and at each boot. */
export function bySysctl(name: string, value: string | number): string {
  return `run as root: sysctl -w ${name}=${value}; to keep it, write "${name} = ${value}" into ${SYSCTL_FILE}`
}

/** Writes a file of /sys or /proc now and at each boot. @param path may have `*` in it, for tmpfiles.d(5) and for sh alike */
export function byWrite(path: string, value: string | number): string {
  const now = path.includes('*') ? `for f in ${path}; do echo ${value} >"$f"; done` : `echo ${value} >${path}`
  return `run as root: ${now}; to keep it, write "w ${path} - - - - ${value}" into ${TMPFILES_FILE}`
}

/** Sets a module's parameter when the module is loaded next. */
export function byModule(module: string, option: string): string {
  return `write "options ${module} ${option}" into ${MODPROBE_FILE}; it counts when the module is loaded next, at the latest after a reboot`
}

/**
 * Switches CPUs on, which the kernel may refuse for those that the firmware has off.
 * @param smt how SMT is off: the kernel then refuses the other threads of each core
 */
export function byOnline(cpus: CpuSet, smt: SmtOff | undefined): string {
  return smt === undefined ? `run as root: chcpu -e ${formatCpuSet(cpus)}` : SMT_ON[smt]
}

/** Adds to the kernel's command line. docs/host-check.md says how. */
export function byBoot(parameters: string): string {
  return `boot with ${parameters}`
}
