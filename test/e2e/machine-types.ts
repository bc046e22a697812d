import { execFileSync } from 'node:child_process'

/** Names that the installed QEMU starts a machine by; a release drops the old ones. */
export function machineTypes(arch = 'x86_64'): ReadonlySet<string> {
  const help = execFileSync(`qemu-system-${arch}`, ['-machine', 'help'], { encoding: 'utf8' })
  return new Set(help.split('\n').flatMap((line) => /^(\S+) {2,}/.exec(line)?.[1] ?? []))
}

/**
 * Why a command line cannot be tried: QEMU has no more the machine type that it names.
 * @param args QEMU's
 * @returns false when it has it
 */
export function withoutMachine(args: readonly string[], types: ReadonlySet<string>): string | false {
  const at = args.indexOf('-machine')
  const type = at === -1 ? undefined : args[at + 1]?.split(',')[0]
  return type === undefined || types.has(type) ? false : `this QEMU has no machine type ${type}`
}
