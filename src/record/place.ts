/*
 * What is kept of VMs lies in /run/qemu-rt:
 *   vms/libvirt-UUID.json     root's word: a domain's record, by libvirt's hook; vms/pid-N-TICKS.json by `tune`
 *   leases/UID/*.lease        that user's word: what its own launch holds, while QEMU keeps the file locked
 */
const RUN = '/run/qemu-rt'

/** @param sysroot `/`, or a directory with a captured host */
export function runDirectory(sysroot: string): string {
  return `${sysroot.replace(/\/+$/, '')}${RUN}`
}

/** Root's own records: anyone may read them, root alone writes. */
export function rootsDirectory(sysroot: string): string {
  return `${runDirectory(sysroot)}/vms`
}

/** Where the users' leases are, a directory for each UID. */
export function leaseDirectory(sysroot: string): string {
  return `${runDirectory(sysroot)}/leases`
}
