import type { Bytes } from '../../units/bytes.js'

/** The RAM that a machine type has when the command line names no memory backend. */
interface MachineRam {
  readonly archs: readonly string[]
  readonly machine: RegExp
  /** Name of its RAM block, which migration knows it by. */
  readonly id: string
  /** What it has without `-m`. */
  readonly bytes: Bytes
}

const MIB = 1n << 20n
const X86 = ['x86_64', 'i386', 'x86_64-microvm']
const PPC = ['ppc64', 'ppc64le']

/**
 * Machine types that run under KVM or matter to vhost-user, by architecture. Source: `default-ram-id` of
 * query-machines and `base-memory` of query-memory-size-summary, QEMU 7.2.
 */
const MACHINES: readonly MachineRam[] = [
  { archs: X86, machine: /^microvm$/, id: 'microvm.ram', bytes: 128n * MIB },
  { archs: X86, machine: /^(pc|q35|isapc|pc-.*|xenfv.*|rhel.*)$/, id: 'pc.ram', bytes: 128n * MIB },
  { archs: ['aarch64', 'arm'], machine: /^virt(-.*)?$/, id: 'mach-virt.ram', bytes: 128n * MIB },
  { archs: ['aarch64'], machine: /^sbsa-ref$/, id: 'sbsa-ref.ram', bytes: 1024n * MIB },
  { archs: PPC, machine: /^pseries(-.*)?$/, id: 'ppc_spapr.ram', bytes: 512n * MIB },
  { archs: PPC, machine: /^powernv.*$/, id: 'pnv.ram', bytes: 1024n * MIB },
  { archs: ['s390x'], machine: /^s390-ccw-virtio(-.*)?$/, id: 's390.ram', bytes: 128n * MIB },
  { archs: ['riscv64', 'riscv32'], machine: /^virt(-.*)?$/, id: 'riscv_virt_board.ram', bytes: 128n * MIB },
  { archs: ['loongarch64'], machine: /^virt(-.*)?$/, id: 'loongarch.ram', bytes: 1024n * MIB },
]

/** Machine types that QEMU takes when none is given, where the architecture has one (`is-default`, QEMU 7.2). */
const DEFAULT_MACHINES: Readonly<Record<string, string>> = {
  x86_64: 'pc',
  i386: 'pc',
  ppc64: 'pseries',
  ppc64le: 'pseries',
  s390x: 's390-ccw-virtio',
  loongarch64: 'virt',
}

/** The machine type that an architecture's QEMU takes when none is given; null when it asks for one. */
export function defaultMachine(arch: string): string | null {
  return DEFAULT_MACHINES[arch] ?? null
}

/**
 * The RAM that a machine type makes by itself.
 * @param machine as given to `-machine`, such as `pc`, `pc-q35-7.2`, `virt`
 * @returns null for a machine type that is not in the table
 */
export function defaultRam(
  arch: string,
  machine: string | null,
): { readonly id: string; readonly bytes: Bytes } | null {
  if (machine === null) return null
  return MACHINES.find((entry) => entry.archs.includes(arch) && entry.machine.test(machine)) ?? null
}
