import type { ChildProcess } from 'node:child_process'
import { execa } from 'execa'

/*
 * Programs that a command of a person's runs to their end, by execa. What a VM's start waits for runs programs by
 * program.ts: loading execa (9.6, 230 kB in the bundle) took Node 22 ms and the executable 26 ms, more than a whole launch.
 * A child that is watched while it runs, as a guest, is children.ts's.
 */

/** How a program ended. */
export interface Ended {
  /** What it said on stderr, or why it could not be run; null when it did what it was to do. */
  readonly failure: string | null
  /** Whether there is no such program. */
  readonly isMissing: boolean
  readonly stdout: string
  readonly stderr: string
}

export interface Asked {
  /** All of its environment; without it PATH, and messages in English. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** How many characters it may print on each stream before it is ended. */
  readonly maxBuffer?: number
  /** Milliseconds after which it is sent `killSignal`. */
  readonly timeout?: number
  readonly killSignal?: 'SIGINT' | 'SIGKILL'
}

/** Runs a program and waits for it. */
export async function runCommand(command: readonly string[], asked: Asked = {}): Promise<Ended> {
  return startCommand(command, asked).ended
}

/** Starts a program. Whoever asks ends it when this program ends: execa would do it by SIGTERM alone. */
export function startCommand([program = '', ...args]: readonly string[], { env, ...limits }: Asked = {}) {
  const started = execa(program, args, {
    env: { ...(env ?? { PATH: process.env.PATH, LC_ALL: 'C' }) },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    stripFinalNewline: false,
    cleanup: false,
    forceKillAfterDelay: false,
    ...limits,
  })
  const child: ChildProcess = started
  return { child, ended: started.then(endedOf) }
}

/** What is read of execa's result. */
interface Result {
  readonly failed: boolean
  readonly code?: string | undefined
  readonly stdout?: string | undefined
  readonly stderr?: string | undefined
  readonly originalMessage?: string | undefined
  readonly shortMessage?: string | undefined
}

function endedOf({ failed, code, stdout = '', stderr = '', originalMessage, shortMessage }: Result): Ended {
  const reason = stderr.trim() || originalMessage || shortMessage || 'it failed'
  return { failure: failed ? reason : null, isMissing: code === 'ENOENT', stdout, stderr }
}
