/** Node's names of host architectures (`process.arch`), and QEMU's. */
const QEMU_ARCH: Readonly<Record<string, string>> = {
  x64: 'x86_64',
  arm64: 'aarch64',
  ppc64: 'ppc64',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loongarch64',
}

/** A link to the launcher that install.sh makes, and the architecture in its name. */
const ENTRY = /^qemu-rt-system-(.+)$/

/** Other names of QEMU's architectures that programs have: Debian's qemu-system-amd64, old libvirt's qemu-system-i686. */
const ALIASES: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  x86: 'x86_64',
  i486: 'i386',
  i586: 'i386',
  i686: 'i386',
  arm64: 'aarch64',
}

/**
 * The architecture in an emulator's path, as it is spelled there: `x86_64` of /usr/bin/qemu-system-x86_64 and of
 * /opt/qemu-system-x86_64-spice; null when it has none.
 */
export function emulatorArch(path: string): string | null {
  return /qemu-(?:rt-)?system-([a-z0-9_]+(?:-microvm)?)(?:[-.][^/]*)?$/.exec(path)?.[1] ?? null
}

/**
 * The guest's architecture by QEMU's name of it: `i386` of qemu-system-i686; null for a program whose name says none, as
 * qemu-kvm and kvm, which are of the host's.
 */
export function guestArch(path: string): string | null {
  const arch = emulatorArch(path)
  return arch === null ? null : Object.hasOwn(ALIASES, arch) ? (ALIASES[arch] ?? null) : arch
}

/** The architecture of one of the launcher's entries, by its basename; null for another file. */
export function entryArch(name: string): string | null {
  return ENTRY.exec(name)?.[1] ?? null
}

/** Where the real QEMU is that an entry stands for, when nobody says: `/usr/bin/qemu-system-x86_64`. */
export function emulatorOfEntry(entry: string): string {
  return `/usr/bin/${entry.replace('-rt', '')}`
}

/** Where the host's own QEMU is, when nobody says. @param hostArch Node's name of its architecture */
export function hostsEmulator(hostArch: string): string {
  return `/usr/bin/qemu-system-${QEMU_ARCH[hostArch] ?? hostArch}`
}

/** The real QEMU of an architecture: as the configuration has it, else where distributions put it. */
export function emulatorOfArch(arch: string, configured: Readonly<Record<string, string>>): string {
  return configured[arch] ?? `/usr/bin/qemu-system-${arch}`
}

/**
 * How `[emulators]` names an emulator: by the architecture in its path, else by the file's own name, as Proxmox's /usr/bin/kvm
 * and RHEL's /usr/libexec/qemu-kvm. The launcher does the same.
 */
function emulatorKey(path: string): string {
  return emulatorArch(path) ?? path.slice(path.lastIndexOf('/') + 1)
}

/** Which QEMU a VM is started with: the one that is asked for, else the configured one, else the default. */
export function chooseEmulator(
  { emulator, defaultEmulator }: { readonly emulator: string | null; readonly defaultEmulator: string },
  configured: Readonly<Record<string, string>>,
): string {
  return emulator ?? configured[emulatorKey(defaultEmulator)] ?? defaultEmulator
}
