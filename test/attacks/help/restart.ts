import type { Libvirt } from '../../e2e/libvirtd.js'

/**
 * Restarts libvirtd, and waits until it has a domain again, its hook included: all that while the domain is locked
 * (libvirt 9.0, src/qemu/qemu_process.c, qemuProcessReconnect).
 */
export async function restart(libvirt: Libvirt, domain: string): Promise<void> {
  await libvirt.restart()
  await libvirt.virsh('qemu-monitor-command', domain, '{"execute":"query-status"}')
}
