import type { Bytes } from '../../units/bytes.js'

/** The RAM that machine types have when the command line names no memory backend. */
export interface MachineRam {
  /** Architectures as in `qemu-system-…`. */
  readonly archs: readonly string[]
  readonly machine: RegExp
  /** Name of its RAM block, which migration knows it by. */
  readonly id: string
  /** What it has without `-m`; null where that depends on QEMU's version. */
  readonly bytes: Bytes | null
}

const MIB = 1n << 20n
const GIB = 1n << 30n

const X86 = ['x86_64', 'i386', 'x86_64-microvm']
const ARM = ['aarch64', 'arm']
const PPC = ['ppc64', 'ppc64le']
const RISCV = ['riscv64', 'riscv32']

/**
 * Machine types that run under KVM or are a default, by architecture. Source: `default-ram-id` of query-machines and
 * `base-memory` of query-memory-size-summary, QEMU 7.2, 10.0 and 11.1. Versioned types are alike in all versions, and so
 * are those of RHEL (pc-q35-rhel9.2.0, and rhel6.6.0 of its first releases) and Ubuntu (pc-q35-jammy, alias ubuntu-q35).
 * nitro-enclave is a microvm (hw/i386/nitro_enclave.c, QEMU 9.2). loongarch64's virt has 128 MiB since 9.1 and had 1 GiB
 * before (hw/loongarch/virt.c).
 */
export const MACHINES: readonly MachineRam[] = [
  { archs: X86, machine: /^(pc|q35|isapc|xenfv|ubuntu|ubuntu-q35)$/, id: 'pc.ram', bytes: 128n * MIB },
  { archs: X86, machine: /^((pc|xenfv)-.+|rhel\d.+)$/, id: 'pc.ram', bytes: 128n * MIB },
  { archs: X86, machine: /^(microvm|nitro-enclave)$/, id: 'microvm.ram', bytes: 128n * MIB },
  { archs: ['x86_64', 'aarch64'], machine: /^nitro$/, id: 'ram', bytes: null },
  { archs: ARM, machine: /^virt(-.+)?$/, id: 'mach-virt.ram', bytes: 128n * MIB },
  { archs: ['aarch64'], machine: /^sbsa-ref$/, id: 'sbsa-ref.ram', bytes: GIB },
  { archs: PPC, machine: /^pseries(-.+)?$/, id: 'ppc_spapr.ram', bytes: 512n * MIB },
  { archs: PPC, machine: /^powernv\d*$/, id: 'pnv.ram', bytes: GIB },
  { archs: ['s390x'], machine: /^s390-ccw-virtio(-.+)?$/, id: 's390.ram', bytes: 128n * MIB },
  { archs: RISCV, machine: /^virt(-.+)?$/, id: 'riscv_virt_board.ram', bytes: 128n * MIB },
  { archs: RISCV, machine: /^spike$/, id: 'riscv.spike.ram', bytes: 128n * MIB },
  { archs: ['loongarch64'], machine: /^virt(-.+)?$/, id: 'loongarch.ram', bytes: null },
]

/** Machine types that QEMU takes when none is given, where the architecture has one (`is-default`, QEMU 7.2). */
const DEFAULT_MACHINES: Readonly<Record<string, string>> = {
  x86_64: 'pc',
  i386: 'pc',
  'x86_64-microvm': 'microvm',
  ppc64: 'pseries',
  ppc64le: 'pseries',
  s390x: 's390-ccw-virtio',
  riscv64: 'spike',
  riscv32: 'spike',
  loongarch64: 'virt',
}

/**
 * The machine type that an architecture's QEMU takes when none is given.
 * @param arch as in `qemu-system-…`
 * @returns null when QEMU asks for one, or when the architecture is not known
 */
export function defaultMachine(arch: string): string | null {
  return Object.hasOwn(DEFAULT_MACHINES, arch) ? (DEFAULT_MACHINES[arch] ?? null) : null
}

/** Machine types without RAM of their own: `x-remote` has that of the VM whose devices it runs (hw/remote/machine.c). */
export function hasNoRam(machine: string | null): boolean {
  return machine === 'none' || machine === 'x-remote'
}

/**
 * The RAM that a machine type makes by itself.
 * @param arch as in `qemu-system-…`
 * @param machineType as given to `-machine`, such as `pc`, `pc-q35-7.2`, `q35+pve0`; null when none is given
 * @returns null for a machine type that is not in the table, also for one that has no RAM
 */
export function defaultRam(
  arch: string,
  machineType: string | null,
): { readonly id: string; readonly bytes: Bytes | null } | null {
  const type = machineType ?? defaultMachine(arch)
  if (type === null) return null
  const name = withoutPveVersion(type)
  const found = MACHINES.find(({ archs, machine }) => archs.includes(arch) && machine.test(name))
  return found === undefined ? null : { id: found.id, bytes: found.bytes }
}

/** Proxmox VE's own QEMU takes `+pve0` off a machine type before it looks for it (its PVE machine versions). */
function withoutPveVersion(machine: string): string {
  return machine.replace(/\+pve\d*$/, '')
}
