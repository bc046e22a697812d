import { type CommandLine, ownItems } from '../argv/command-line.js'
import { quoteIfNeeded } from '../argv/shell.js'

/** A command in parts, for libvirt's golden format. */
export interface Command {
  /** `NAME=value`, in order. */
  readonly env: readonly string[]
  readonly emulator: string
  readonly line: CommandLine
}

/**
 * Writes a command in libvirt's golden format (`*.args` of its test suite): environment, emulator, then one option with
 * its argument a line, continued by backslashes, quoted where a shell needs it.
 */
export function formatArgs({ env, emulator, line }: Command): string {
  const options = ownItems(line).map((item) => {
    const words = item.kind === 'option' && item.argument !== null ? [item.word, item.argument] : [item.word]
    return words.map(({ text }) => quoteIfNeeded(text)).join(' ')
  })
  return `${[...env.map(quoteAssignment), quoteIfNeeded(emulator), ...options].join(' \\\n')}\n`
}

function quoteAssignment(assignment: string): string {
  const at = assignment.indexOf('=') + 1
  const value = assignment.slice(at)
  return assignment.slice(0, at) + (value === '' ? '' : quoteIfNeeded(value))
}
