import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execaSync } from 'execa'

/** What one process has done. */
export interface TracedProcess {
  readonly pid: number
  /** Programs that it was or became, with their arguments as strace writes them. */
  readonly programs: readonly string[]
  /** Files that it opened to read, write or list, in order. */
  readonly opened: readonly string[]
  /** Processes that it started; threads are none. */
  readonly children: readonly TracedProcess[]
}

const CALLS = 'execve,open,openat,clone,clone3,fork,vfork'

/**
 * Runs a program under strace and says what it and its descendants have done.
 * @param directory where strace may leave its files
 * @param within words that become strace's command line: what prepares the place
 * @throws {Error} when it fails
 */
export function traceProcess(
  directory: string,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  within: readonly string[] = [],
): TracedProcess {
  const prefix = join(directory, 'trace')
  const strace = ['-ff', '-qq', '-s', '256', '-e', `trace=${CALLS}`, '-o', prefix, ...command]
  const [program = '', ...args] = [...within, 'strace', ...strace]
  execaSync(program, args, { env, extendEnv: false, stdin: 'ignore', stdout: 'ignore' })
  const files = readdirSync(directory).filter((name) => name.startsWith('trace.'))
  const calls = new Map(
    files.map((name) => [
      Number(name.slice('trace.'.length)),
      readFileSync(join(directory, name), 'utf8').split('\n'),
    ]),
  )
  const started = new Set([...calls.values()].flatMap((lines) => lines.flatMap(startedBy)))
  const root = [...calls.keys()].find((pid) => !started.has(pid))
  if (root === undefined) throw new Error('strace has written nothing')
  return describe(root, calls)
}

/** Names of the programs that a process was, without their directories. */
export function programNames({ programs }: TracedProcess): string[] {
  return programs.map((words) => /^"(?:[^"]*\/)?([^"/]*)"/.exec(words)?.[1] ?? words)
}

function describe(pid: number, calls: ReadonlyMap<number, readonly string[]>): TracedProcess {
  const lines = calls.get(pid) ?? []
  // A thread's files and children are its process's.
  const threads = lines.filter((line) => line.includes('CLONE_THREAD')).flatMap(startedBy)
  const own = [...lines, ...threads.flatMap((thread) => calls.get(thread) ?? [])]
  return {
    pid,
    programs: own.flatMap((line) => /^execve\("[^"]*", \[(.*)\], .* += 0$/.exec(line)?.[1] ?? []),
    opened: own
      .filter((line) => !line.includes('O_PATH'))
      .flatMap((line) => /^open(?:at)?\((?:AT_FDCWD, )?"([^"]*)", .* += \d+$/.exec(line)?.[1] ?? []),
    children: own
      .filter((line) => !line.includes('CLONE_THREAD'))
      .flatMap(startedBy)
      .map((child) => describe(child, calls)),
  }
}

function startedBy(line: string): number[] {
  const pid = /^(?:clone3?|fork|vfork)\(.*\) += (\d+)$/.exec(line)?.[1]
  return pid === undefined ? [] : [Number(pid)]
}
