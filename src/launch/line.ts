import type { Word } from '../argv/command-line.js'
import { quote } from '../argv/shell.js'

/**
 * The line of sh that the launcher evaluates to become QEMU: `exec '/usr/bin/qemu-system-x86_64' "${1}" 'literal'`.
 * A word that the plan left alone is passed on by position, so its bytes never go through this program.
 * @param positionals how many words the launcher was called with
 * @param unset variables that are not QEMU's to get
 */
export function launchLine(
  emulator: string,
  words: readonly Word[],
  positionals: number,
  unset: readonly string[] = [],
): string {
  const untouched =
    words.length === positionals && words.every(({ position }, index) => position === index + 1)
  const args = untouched
    ? ['"$@"']
    : words.map(({ text, position }) => (position === null ? quote(text) : `"\${${position}}"`))
  const cleared = unset.length === 0 ? '' : `unset ${unset.join(' ')}; `
  return `${cleared}exec ${[quote(emulator), ...args].join(' ')}`
}
