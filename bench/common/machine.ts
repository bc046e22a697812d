import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { execaSync } from 'execa'
import { PATH, ROOT } from './project.js'

/** Where it was measured: numbers of different machines cannot be compared. */
export interface Machine {
  readonly cpus: number
  readonly model: string
  readonly kernel: string
  readonly memoryBytes: number
  readonly node: string
  /** Of the planner's executable. */
  readonly bun?: string
  readonly qemu?: string
  readonly libvirt?: string
  readonly python?: string
}

/** Reads what this machine is and has; what is not installed is left out. */
export function readMachine(): Machine {
  const all = cpus()
  return {
    cpus: all.length,
    model: all[0]?.model.trim() || 'unknown',
    kernel: release(),
    memoryBytes: totalmem(),
    node: process.versions.node,
    ...version('bun', [join(ROOT, 'dist/qemu-rt-planner'), '--version'], { BUN_BE_BUN: '1' }),
    ...version('qemu', ['qemu-system-x86_64', '--version']),
    ...version('libvirt', ['libvirtd', '--version']),
    ...version('python', ['/usr/bin/python3', '--version']),
  }
}

/** The first version number that a program prints. */
function version(
  name: 'bun' | 'qemu' | 'libvirt' | 'python',
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Partial<Machine> {
  const asked = {
    env: { PATH, LC_ALL: 'C', ...env },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
  } as const
  const found = /\d+(\.\d+)+/.exec(execaSync(program, args, asked).stdout ?? '')?.[0]
  return found === undefined ? {} : { [name]: found }
}
