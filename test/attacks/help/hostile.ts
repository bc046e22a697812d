import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, constants, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { waitFor } from '../../e2e/wait.js'
import { temporaryDirectory } from '../../launcher/launcher.js'
import { compile } from './compile.js'

/** A QEMU that does what a test says: its guest has taken it over. */
export interface Hostile {
  /** For `<qemu:env>` of the domain. */
  readonly env: Readonly<Record<string, string>>
  /** QEMU may write there, and everybody else. */
  readonly directory: string
  /** Has QEMU carry out an order, see hostile-qemu.c. @returns errno; 0 when it was done */
  readonly obey: (order: string) => Promise<number>
}

/** As much as a forged plan takes in QEMU's environment. */
const PADDING = 'x'.repeat(4000)

/**
 * Makes what turns a domain's QEMU hostile.
 * @param first what it does before it does anything else
 */
export function hostileQemu(t: Test, ...first: readonly string[]): Hostile {
  const library = compile(t, 'hostile-qemu', 'hostile-qemu.so')
  const directory = temporaryDirectory(t)
  const [orders, answers] = [join(directory, 'orders'), join(directory, 'answers')]
  execFileSync('mkfifo', [orders])
  writeFileSync(answers, '')
  // libvirt's QEMU is another user.
  for (const [path, mode] of [
    [directory, 0o777] as const,
    [orders, 0o666] as const,
    [answers, 0o666] as const,
  ])
    chmodSync(path, mode)
  const answered = () => readFileSync(answers, 'latin1').trimEnd().split('\n').filter(Boolean)
  return {
    env: {
      LD_PRELOAD: library,
      HOSTILE_DIRECTORY: directory,
      HOSTILE_FIRST: first.join(';'),
      HOSTILE_PADDING: PADDING,
    },
    directory,
    obey: async (order) => {
      const before = answered().length
      const fifo = openSync(orders, constants.O_RDWR | constants.O_NONBLOCK)
      try {
        writeSync(fifo, `${order}\n`)
        await waitFor(`QEMU to carry out: ${order}`, 20, () => answered().length > before)
      } finally {
        closeSync(fifo)
      }
      return Number(answered().at(-1))
    },
  }
}
