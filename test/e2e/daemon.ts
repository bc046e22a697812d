import { existsSync } from 'node:fs'

/** A daemon of libvirt's that runs QEMU's domains. */
interface Daemon {
  readonly program: string
  /** Where it says its PID. */
  readonly pidFile: string
}

/**
 * The modular one comes first, as where both are installed the system starts that one (https://libvirt.org/daemons.html).
 * Fedora and RHEL have it; Debian has none up to unstable of November 2026.
 */
const DAEMONS: readonly Daemon[] = [
  { program: 'virtqemud', pidFile: '/run/virtqemud.pid' },
  { program: 'libvirtd', pidFile: '/run/libvirtd.pid' },
]

const isInstalled = ({ program }: Daemon) => existsSync(`/usr/sbin/${program}`)

/** The daemon that tests start; libvirtd where there is none, so that what is missing has a name. */
export const DAEMON: Daemon = DAEMONS.find(isInstalled) ?? {
  program: 'libvirtd',
  pidFile: '/run/libvirtd.pid',
}
