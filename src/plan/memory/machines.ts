import type { Bytes } from '../../units/bytes.js'

/** The RAM that machine types have when the command line names no memory backend. */
export interface MachineRam {
  /** Architectures as in `qemu-system-…`. */
  readonly archs: readonly string[]
  readonly machine: RegExp
  /** Name of its RAM block, which migration knows it by. */
  readonly id: string
  /** What it has without `-m`. */
  readonly bytes: Bytes
}

const MIB = 1n << 20n
const GIB = 1n << 30n

const X86 = ['x86_64', 'i386', 'x86_64-microvm']
const ARM = ['aarch64', 'arm']
const PPC = ['ppc64', 'ppc64le']
const RISCV = ['riscv64', 'riscv32']

/** What a machine type has without `-m` unless it says otherwise (QEMU hw/core/machine.c, default_ram_size). */
export const DEFAULT_BYTES = 128n << 20n

/**
 * Machine types that run under KVM or are a default, by architecture. Source: `default-ram-id` of query-machines and
 * `base-memory` of query-memory-size-summary, QEMU 7.2. Versioned types are alike in all versions, and so are those of
 * RHEL (pc-q35-rhel9.2.0) and Ubuntu (pc-q35-jammy, alias ubuntu-q35). nitro-enclave is a microvm
 * (hw/i386/nitro_enclave.c, QEMU 9.2).
 */
export const MACHINES: readonly MachineRam[] = [
  { archs: X86, machine: /^(pc|q35|isapc|xenfv|ubuntu|ubuntu-q35)$/, id: 'pc.ram', bytes: 128n * MIB },
  { archs: X86, machine: /^(pc|xenfv)-.+$/, id: 'pc.ram', bytes: 128n * MIB },
  { archs: X86, machine: /^(microvm|nitro-enclave)$/, id: 'microvm.ram', bytes: 128n * MIB },
  { archs: ARM, machine: /^virt(-.+)?$/, id: 'mach-virt.ram', bytes: 128n * MIB },
  { archs: ['aarch64'], machine: /^sbsa-ref$/, id: 'sbsa-ref.ram', bytes: GIB },
  { archs: PPC, machine: /^pseries(-.+)?$/, id: 'ppc_spapr.ram', bytes: 512n * MIB },
  { archs: PPC, machine: /^powernv\d*$/, id: 'pnv.ram', bytes: GIB },
  { archs: ['s390x'], machine: /^s390-ccw-virtio(-.+)?$/, id: 's390.ram', bytes: 128n * MIB },
  { archs: RISCV, machine: /^virt$/, id: 'riscv_virt_board.ram', bytes: 128n * MIB },
  { archs: RISCV, machine: /^spike$/, id: 'riscv.spike.ram', bytes: 128n * MIB },
  { archs: ['loongarch64'], machine: /^virt$/, id: 'loongarch.ram', bytes: GIB },
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

/**
 * The RAM that a machine type makes by itself.
 * @param arch as in `qemu-system-…`
 * @param machineType as given to `-machine`, such as `pc`, `pc-q35-7.2`, `virt`; null when none is given
 * @returns null for a machine type that is not in the table, also for `none`, which has no RAM
 */
export function defaultRam(
  arch: string,
  machineType: string | null,
): { readonly id: string; readonly bytes: Bytes } | null {
  const type = machineType ?? defaultMachine(arch)
  if (type === null) return null
  const found = MACHINES.find(({ archs, machine }) => archs.includes(arch) && machine.test(type))
  return found === undefined ? null : { id: found.id, bytes: found.bytes }
}
