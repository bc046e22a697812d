import type { Word } from '../argv/command-line.js'
import { quote } from '../argv/shell.js'

/** What becomes QEMU, and what is set up before. */
export interface Launch {
  /** Programs that become their command, with their arguments: `flock`, `taskset`. */
  readonly chain: readonly (readonly string[])[]
  readonly emulator: string
  readonly words: readonly Word[]
  /** How many words the launcher was called with. */
  readonly positionals: number
  /** Variables that are not QEMU's to get. */
  readonly unset: readonly string[]
  /** Variables that QEMU gets besides. */
  readonly set: Readonly<Record<string, string>>
}

/**
 * The line of sh that the launcher evaluates to become QEMU:
 * `exec flock -F … taskset -c '0-1' '/usr/bin/qemu-system-x86_64' "${1}" 'literal'`. A word that the plan left alone is
 * passed on by position, so its bytes never go through this program.
 */
export function launchLine({ chain, emulator, words, positionals, unset, set }: Launch): string {
  const untouched =
    words.length === positionals && words.every(({ position }, index) => position === index + 1)
  const args = untouched
    ? ['"$@"']
    : words.map(({ text, position }) => (position === null ? quote(text) : `"\${${position}}"`))
  const cleared = unset.length === 0 ? '' : `unset ${unset.join(' ')}; `
  const exported = Object.entries(set).map(([name, value]) => `${name}=${quote(value)}; export ${name}; `)
  const before = chain.flatMap(([program = '', ...rest]) => [program, ...rest.map(quote)])
  return `${cleared}${exported.join('')}exec ${[...before, quote(emulator), ...args].join(' ')}`
}
