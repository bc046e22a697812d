import { execa, execaSync } from 'execa'
import { launcher, PATH } from './launcher.js'

/* Programs that a test runs to their end. Where a test watches, signals or gives descriptors to a child, it spawns it. */

export interface Ended {
  /** null when a signal ended it, or it could not be started. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Given {
  /** All of its environment; without it PATH alone. */
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly input?: string
  /** Milliseconds after which it is ended. */
  readonly timeout?: number
}

/** Runs a program and waits for it; meanwhile the test goes on. */
export async function run([program = '', ...args]: readonly string[], given: Given = {}): Promise<Ended> {
  return endedOf(await execa(program, args, options(given)))
}

/** Runs a program; nothing else happens until it has ended. */
export function runSync([program = '', ...args]: readonly string[], given: Given = {}): Ended {
  return endedOf(execaSync(program, args, options(given)))
}

/** Runs the `qemu-rt` of this checkout, as `runSync` does. */
export function qemuRt(args: readonly string[], given: Given = {}): Ended {
  return runSync([launcher('qemu-rt'), ...args], given)
}

function options({ env = { PATH }, input = '', ...given }: Given) {
  return { reject: false, stripFinalNewline: false, extendEnv: false, env, input, ...given } as const
}

interface Result {
  readonly exitCode?: number | undefined
  readonly stdout?: string | undefined
  readonly stderr?: string | undefined
}

function endedOf({ exitCode, stdout = '', stderr = '' }: Result): Ended {
  return { status: exitCode ?? null, stdout, stderr }
}
