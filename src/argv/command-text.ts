import { splitWords } from './shell.js'

/** A command as libvirt's golden files and `virsh domxml-to-native` write it. */
export interface CommandText {
  /** `NAME=value`, in order. */
  readonly env: readonly string[]
  readonly emulator: string
  readonly args: readonly string[]
}

/** Reads `NAME=value` words, the emulator, its arguments; null when a quote is not closed or there is no emulator. */
export function parseCommandText(text: string): CommandText | null {
  const words = splitWords(text)
  const start = words?.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word)) ?? -1
  const emulator = words?.[start]
  if (words === null || emulator === undefined) return null
  return { env: words.slice(0, start), emulator, args: words.slice(start + 1) }
}
