import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface TimedCommand {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** What it ends with (default: 0). */
  readonly exitCode?: number
}

export interface ProcessTimer {
  /** Runs the command once; milliseconds until it has ended. */
  readonly run: () => Promise<number>
  readonly stop: () => void
}

/**
 * Gets ready to time a whole process again and again. A waiting sh starts it, since what it takes to fork is in the time,
 * and for this program that is several times what it is for a small one.
 * @throws {Error} from `run`, when the command ends otherwise
 */
export function makeProcessTimer({ command, env, exitCode = 0 }: TimedCommand): ProcessTimer {
  const loop = 'while read -r go; do "$@" </dev/null >/dev/null 2>&1; echo $?; done'
  const shell = spawn('/bin/sh', ['-c', loop, 'sh', ...command], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  return {
    run: async () => {
      const answer = once(shell.stdout, 'data')
      const began = performance.now()
      shell.stdin.write('\n')
      const [code] = await answer
      const took = performance.now() - began
      if (String(code) !== `${exitCode}\n`)
        throw new Error(`exit code ${String(code).trim()}: ${command.slice(0, 3).join(' ')} …`)
      return took
    },
    stop: () => shell.stdin.end(),
  }
}
