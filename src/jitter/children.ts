import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { startOf } from '../host/process.js'

/** Programs that must not be left running, however this one ends. */
export interface Children {
  /** Keeps a child in mind. @returns it */
  readonly add: (child: ChildProcess, ending?: Ending) => ChildProcess
}

/**
 * How a child is ended. `kill`: at once. `interrupt`: by SIGINT, as by Ctrl-C, and by SIGKILL when it runs still after 5 seconds:
 * for a program that puts back what it has changed.
 */
export type Ending = 'kill' | 'interrupt'

/** How long a child that was interrupted may take to put back what it has changed. */
const TIDY_MS = 5000

/**
 * What ends a program by default (signal(7)). Not SIGPWR and SIGPROF, by which Bun and Node stop their own threads, nor
 * those of a fault, after which no code is to be relied on.
 */
const SIGNALS = [
  ...(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const),
  ...(['SIGALRM', 'SIGUSR1', 'SIGUSR2', 'SIGXCPU'] as const),
]

/** Leaders of process groups of their own, which end with their group. */
const leaders = new WeakSet<ChildProcess>()

/**
 * Does something with children, and ends those that still run: when it is done, when it fails, and when this program is told
 * to end, with exit code 130. It may be used within itself.
 * @param cleanUp what else is to be done at the end
 */
export async function withChildren<T>(
  work: (children: Children) => Promise<T>,
  cleanUp: () => void = () => {},
): Promise<T> {
  const started = new Map<ChildProcess, Ending>()
  const stopAll = () => {
    const running = [...started].filter(([child]) => !hasEnded(child))
    const asked = running.flatMap(([child, ending]) => (ending === 'interrupt' ? [child] : []))
    for (const child of asked) child.kill('SIGINT')
    for (const [child] of running) if (!asked.includes(child)) stop(child)
    waitFor(asked)
    for (const child of asked) stop(child)
    cleanUp()
  }
  // Ctrl-C must not leave a busy guest behind. The first handler ends the program: the others' children end with that.
  const onSignal = () => process.exit(130)
  for (const signal of SIGNALS) process.once(signal, onSignal)
  process.once('exit', stopAll)
  const add = (child: ChildProcess, ending: Ending = 'kill') => {
    started.set(child, ending)
    return child
  }
  try {
    return await work({ add })
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal)
    process.off('exit', stopAll)
    stopAll()
  }
}

/** Waits until children have ended. This program may be ending itself, when nothing is told to it any more: so it looks. */
function waitFor(children: readonly ChildProcess[]): void {
  const clock = new Int32Array(new SharedArrayBuffer(4))
  const runs = ({ pid }: ChildProcess) => pid !== undefined && startOf(pid) !== null
  for (const end = performance.now() + TIDY_MS; children.some(runs) && performance.now() < end; )
    Atomics.wait(clock, 0, 0, 20)
}

/**
 * A command whose process the kernel ends with this program, also where nothing of this program can: at SIGKILL. It holds
 * for what that process becomes by execve(2), unless that has other privileges, and not for what it starts (prctl(2),
 * PR_SET_PDEATHSIG). Where setpriv(1) is older than util-linux 2.33, or BusyBox's, the command is as it was.
 */
export function tied([program, ...args]: readonly [string, ...string[]]): [program: string, args: string[]] {
  const options = ['--pdeathsig', 'KILL']
  const isKnown = spawnSync('setpriv', [...options, 'true'], { stdio: 'ignore' }).status === 0
  return isKnown ? ['setpriv', [...options, program, ...args]] : [program, args]
}

/**
 * Starts a shell command, in a process group of its own, so that all of it can be ended. What it leaves running ends with
 * the shell.
 */
export function startLoad(command: string): ChildProcess {
  const shell = spawn(...tied(['sh', '-c', command]), { stdio: 'ignore', detached: true })
  leaders.add(shell)
  // The group's number is not given again before all of the group has ended.
  shell.once('exit', () => kill(-(shell.pid ?? 0)))
  return shell
}

export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

/** How a child ended, for people. */
export function how(child: ChildProcess): string {
  if (child.pid === undefined) return `${child.spawnfile} cannot be run`
  return child.signalCode ?? `exit code ${child.exitCode}`
}

/**
 * Ends a child; the load with all that it has started. One that has ended is left alone: its number may be another
 * process's by now.
 */
export function stop(child: ChildProcess): void {
  if (child.pid === undefined || hasEnded(child)) return
  kill(leaders.has(child) ? -child.pid : child.pid)
}

function kill(pid: number): void {
  if (pid === 0) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
