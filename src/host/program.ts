import type * as ChildProcess from 'node:child_process'

/** How a program ended: what it said on stderr, or why it could not be run; null when it did what it was to do. */
export type Failure = string | null

/*
 * For the launch, the tuner and the hook; commands of a person's have command.ts. Bun's own spawn where this is its
 * executable, else Node's: loading node:child_process takes the executable 1.5 ms, a sixth of a launch, and execa 26 ms for
 * 230 kB that it evaluates, while a vCPU waits to be placed.
 */

/** What is used of Bun's API (bun.sh/docs/api/spawn). */
interface Bun {
  spawn(options: BunOptions): {
    readonly exited: Promise<number>
    readonly stderr: ReadableStream
    unref(): void
  }
  spawnSync(options: BunOptions): { readonly exitCode: number | null; readonly stdout?: Uint8Array }
  readableStreamToText(stream: ReadableStream): Promise<string>
}

interface BunOptions {
  readonly cmd: readonly string[]
  readonly stdio: readonly (number | 'ignore' | 'pipe')[]
  readonly env?: Environment
  readonly cwd?: string
  readonly detached?: boolean
  readonly timeout?: number
  readonly maxBuffer?: number
}

type Environment = Readonly<Record<string, string | undefined>>

const bun = (globalThis as { readonly Bun?: Bun }).Bun ?? null

function nodes(): typeof ChildProcess {
  return process.getBuiltinModule('node:child_process')
}

/** Of the locale that messages are known in, and for which a program reads no files. */
function plainEnvironment(): Environment {
  return { PATH: process.env.PATH, LC_ALL: 'C' }
}

/** Runs a program of the host's and waits for it. */
export async function run(command: readonly string[]): Promise<Failure> {
  const env = plainEnvironment()
  const [program = '', ...args] = command
  if (bun === null) {
    return new Promise((resolve) => {
      nodes().execFile(program, args, { env }, (error, _, stderr) => {
        resolve(error === null ? null : stderr.trim() || error.message)
      })
    })
  }
  try {
    const child = bun.spawn({ cmd: command, env, stdio: ['ignore', 'ignore', 'pipe'] })
    const [code, stderr] = await Promise.all([child.exited, bun.readableStreamToText(child.stderr)])
    return code === 0 ? null : stderr.trim() || `Command failed: ${command.join(' ')}`
  } catch (error) {
    return reason(error)
  }
}

/**
 * Runs a program with an open file as its stdin, and does nothing else until it has ended.
 * @returns its exit code, null when it was killed; or why it could not be run
 */
export function runWithStdin(command: readonly string[], stdin: number): number | null | { failure: string } {
  const [program = '', ...args] = command
  const env = plainEnvironment()
  const stdio: [number, 'ignore', 'ignore'] = [stdin, 'ignore', 'ignore']
  if (bun === null) {
    const { status, error } = nodes().spawnSync(program, args, { env, stdio })
    return error === undefined ? status : { failure: error.message }
  }
  try {
    return bun.spawnSync({ cmd: command, env, stdio }).exitCode
  } catch (error) {
    return { failure: reason(error) }
  }
}

/** Where the host's own programs are, whatever the environment says. */
const SYSTEM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin'

const ANSWER_TIME = 5_000
const ANSWER_SIZE = 32 * 1024 * 1024

/**
 * Runs a program of the host's for what it prints, and does nothing else until it has ended.
 * @param stdin an open file that it gets
 * @returns null when it cannot be run, fails, takes longer than 5 seconds or prints more than 32 MiB
 */
export function askProgram(command: readonly string[], stdin: number | 'ignore' = 'ignore'): string | null {
  const env = { PATH: SYSTEM_PATH, LC_ALL: 'C' }
  const limits = { timeout: ANSWER_TIME, maxBuffer: ANSWER_SIZE }
  const [program = '', ...args] = command
  if (bun === null) {
    const stdio: ChildProcess.StdioOptions = [stdin, 'pipe', 'ignore']
    const { status, stdout } = nodes().spawnSync(program, args, { env, stdio, ...limits, encoding: 'utf8' })
    return status === 0 ? stdout : null
  }
  try {
    const { exitCode, stdout } = bun.spawnSync({
      cmd: command,
      env,
      stdio: [stdin, 'pipe', 'ignore'],
      ...limits,
    })
    return exitCode === 0 ? new TextDecoder().decode(stdout) : null
  } catch {
    return null
  }
}

/** What a program that is left behind gets. */
export interface Left {
  /** By number, from 0. */
  readonly descriptors: readonly number[]
  readonly env: Environment
}

/**
 * Starts a program in a session of its own and in `/`, and does not wait for it.
 * @returns null once it runs, or why it does not
 */
export async function leaveBehind(command: readonly string[], { descriptors, env }: Left): Promise<Failure> {
  const options = { stdio: [...descriptors], env, cwd: '/', detached: true }
  if (bun === null) {
    const [program = '', ...args] = command
    const child = nodes().spawn(program, args, options)
    child.unref()
    return new Promise((resolve) => {
      child.once('spawn', () => resolve(null))
      child.once('error', (error) => resolve(error.message))
    })
  }
  try {
    bun.spawn({ cmd: command, ...options }).unref()
    return null
  } catch (error) {
    return reason(error)
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
