import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { noTestpmd, switchEnded, switchSilent } from '../../errors/jitter-network.js'
import { isExecutable } from '../../host/executable.js'
import { type Children, hasEnded, how } from '../children.js'
import { type SwitchPlan, testpmdArguments } from './switch-plan.js'

const PROGRAM = 'dpdk-testpmd'

/** How long it may take to make its sockets. */
const START_MS = 30_000

/** A switch that this program has started. */
export interface RunningSwitch {
  readonly sockets: readonly [string, string]
  readonly child: ChildProcess
  /** @throws {UserError} exit 69 when it has ended */
  readonly checkRuns: () => void
}

/**
 * Starts testpmd and waits until guests can connect.
 * @param directory for its sockets and files
 * @throws {UserError} exit 69 when it is not installed, or does not start
 */
export async function startTestpmd(
  plan: SwitchPlan,
  directory: string,
  { add }: Children,
): Promise<RunningSwitch> {
  const program = findProgram()
  if (program === null) throw noTestpmd()
  const sockets = [join(directory, 'port0'), join(directory, 'port1')] as const
  const log = join(directory, 'switch-log')
  const output = openSync(log, 'a')
  // It ends when its stdin does: also when nothing is left of this program to end it.
  const child = add(
    spawn(program, testpmdArguments(plan, sockets), {
      env: { ...process.env, RUNTIME_DIRECTORY: directory },
      stdio: ['pipe', 'ignore', output],
    }),
  )
  child.on('error', () => {})
  child.stdin?.on('error', () => {})
  closeSync(output)
  const said = () => lastReason(readFileSync(log, 'utf8'))
  const checkRuns = () => {
    if (hasEnded(child)) throw switchEnded({ how: how(child), said: said() })
  }
  const end = performance.now() + START_MS
  for (; !sockets.every((path) => existsSync(path)); await sleep(50)) {
    checkRuns()
    if (performance.now() > end) throw switchSilent({ seconds: START_MS / 1000, said: said() })
  }
  return { sockets, child, checkRuns }
}

/** Where root's programs are, a user's PATH often does not look. An empty part of it, the working directory, is not looked at. */
function findProgram(): string | null {
  const path = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin']
  const candidates = path.filter(Boolean).map((directory) => join(directory, PROGRAM))
  return candidates.find((candidate) => isExecutable(candidate)) ?? null
}

/** EAL's first complaint says more than the last, which is that it exits. */
function lastReason(log: string): string {
  const lines = log.split('\n').filter((line) => line !== '')
  const isReason = (line: string) => /fail|cannot|error|invalid|permission|not enough/i.test(line)
  return lines.find(isReason) ?? lines.at(-1) ?? ''
}
