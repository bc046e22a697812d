import { execa } from 'execa'

interface ExecuteOptions {
  /** File to which stdout and stderr are added; without it they go where ours go. */
  readonly log?: string
  /** Milliseconds after which it is ended. */
  readonly timeout?: number
  readonly env?: Readonly<Record<string, string>>
}

/**
 * Runs a program to its end.
 * @throws {ExecaError} when it cannot be run, fails, takes too long or is cancelled
 */
export type Execute = (program: string, args: readonly string[], options?: ExecuteOptions) => Promise<void>

/**
 * Options of `unshare` for what mounts: when it is ended its processes and mounts are gone, so that removing a directory in
 * which something was mounted removes nothing else.
 */
export const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child'] as const

/**
 * @param signal ends what runs
 * @param environment of every program
 */
export function executeWith(signal: AbortSignal, environment: Readonly<Record<string, string>>): Execute {
  return async (program, args, { log, timeout = 0, env = {} } = {}) => {
    const output = log === undefined ? ('inherit' as const) : { file: log, append: true }
    await execa(program, [...args], {
      cancelSignal: signal,
      timeout,
      env: { ...environment, ...env },
      extendEnv: false,
      stdin: log === undefined ? 'inherit' : 'ignore',
      stdout: output,
      stderr: output,
      // unshare does not mind SIGTERM; its end is the end of everything in there (--kill-child), mounts too.
      killSignal: 'SIGKILL',
    })
  }
}
