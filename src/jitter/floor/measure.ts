import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findTracefs, keepOsnoise, RTLA_INSTANCE } from '../../change/osnoise.js'
import { type Ended, startCommand } from '../../host/command.js'
import { isExecutable } from '../../host/executable.js'
import { readProc } from '../../host/proc.js'
import { report } from '../../report/output.js'
import { type Children, type Ending, how, withChildren } from '../children.js'
import type { Mode } from '../mode.js'
import { type Floor, floorRatio, type NotMeasured, type Placement } from './floor.js'
import { type HardwareNoise, parseHwnoise } from './hwnoise.js'
import { HOST_TOOLS, HWNOISE } from './tools.js'

export interface FloorRun {
  readonly mode: Mode
  readonly placement: Placement
  readonly seconds: number
  readonly intervalMicroseconds: number
  readonly guestMicroseconds: number
  /** Whether the CPU is kept for real-time threads, so that keeping interrupts off it harms nobody. */
  readonly isIsolated: boolean
  /** Directories of programs, separated by colons. */
  readonly path?: string
  /** Where tracefs may be mounted. */
  readonly tracing?: readonly string[]
}

/** Where the host's own programs are, whatever the environment says. */
const SYSTEM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin'

/** How much longer than told a program may take to start and to end. */
const SPARE_MS = 60_000

/**
 * Measures what the host does without a VM: on the CPU that the vCPU had, with its policy and priority. A load that ran beside the
 * guest must run still.
 * What cannot be measured is said, and is no error.
 */
export function measureFloor(run: FloorRun): Promise<Floor> {
  const directory = mkdtempSync(join(tmpdir(), 'qemu-rt-floor-'))
  return withChildren(
    async (children) => {
      const host = await measureHost(run, children, directory)
      const hardware = await measureHardware(run)
      const { cpu, policy, priority } = run.placement
      const measured = 'why' in host ? null : host
      return {
        ...{ seconds: run.seconds, cpu, policy, priority },
        host: measured,
        hardware: 'why' in hardware ? null : hardware,
        ratio: floorRatio(run.guestMicroseconds, measured),
        notMeasured: [host, hardware].flatMap((one) => ('why' in one ? [one] : [])),
      }
    },
    () => rmSync(directory, { recursive: true, force: true }),
  )
}

async function measureHost(
  run: FloorRun,
  children: Children,
  directory: string,
): Promise<NonNullable<Floor['host']> | NotMeasured> {
  const { program, package: from, args, parse } = HOST_TOOLS[run.mode]
  const not = (why: string) => ({ tool: program, why })
  const path = findProgram(program, run.path)
  if (path === null) return not(missing(program, from))
  const json = join(directory, 'result.json')
  const { failure } = await runProgram([path, ...args({ ...run, json })], run.seconds, children)
  if (failure !== null) return not(failure)
  const sample = parse(readProc(json) ?? '')
  return sample === null ? not('it has written no result that is understood') : { tool: program, ...sample }
}

async function measureHardware(run: FloorRun): Promise<HardwareNoise | NotMeasured> {
  const not = (why: string) => ({ tool: 'rtla hwnoise', why })
  const { program, package: from, args } = HWNOISE
  const tracing = findTracefs(run.tracing)
  if (tracing === null) return not('the kernel’s tracers cannot be read (root, /sys/kernel/tracing)')
  if (!tracing.tracers.includes('osnoise'))
    return not('the kernel has no osnoise tracer (CONFIG_OSNOISE_TRACER)')
  const path = findProgram(program, run.path)
  if (path === null) return not(missing(program, from))
  if (!run.isIsolated)
    return not(`it would keep interrupts off CPU ${run.placement.cpu}, which is not isolated`)
  const putBack = keepOsnoise(tracing.directory, RTLA_INSTANCE)
  const { failure, stdout, stderr } = await withChildren(
    (own) => runProgram([path, ...args(run.placement, run.seconds)], run.seconds, own, 'interrupt'),
    () => {
      const left = putBack()
      if (left.length > 0) report(`rtla has left ${left.join(', ')} in ${tracing.directory} changed`)
    },
  )
  if (failure !== null)
    return not(
      isUnknown(stderr)
        ? 'this rtla is too old: it has no hwnoise (Linux 6.1’s has none, 6.12’s has it)'
        : failure,
    )
  return parseHwnoise(stdout, run.placement.cpu) ?? not('it has printed no row that is understood')
}

function missing(program: string, from: string): string {
  return `${program} is not installed; install the package ${from}`
}

function findProgram(name: string, path = SYSTEM_PATH): string | null {
  const found = path.split(':').find((directory) => isExecutable(join(directory, name)))
  return found === undefined ? null : join(found, name)
}

/** What a program may say; a histogram of 10,000 lines is shorter. */
const MAX_OUTPUT = 1 << 20

async function runProgram(
  command: readonly string[],
  seconds: number,
  children: Children,
  ending: Ending = 'kill',
): Promise<Omit<Ended, 'isMissing'>> {
  const { child, ended } = startCommand(command, {
    env: { PATH: SYSTEM_PATH, LC_ALL: 'C' },
    maxBuffer: MAX_OUTPUT,
    timeout: seconds * 1000 + SPARE_MS,
    killSignal: ending === 'interrupt' ? 'SIGINT' : 'SIGKILL',
  })
  children.add(child, ending)
  const { failure, stdout, stderr } = await ended
  if (failure === null) return { failure, stdout, stderr }
  return { failure: child.pid === undefined ? failure : `${how(child)}: ${reason(stderr)}`, stdout, stderr }
}

/** rtla's answer to a command that it does not have (Linux 6.1, tools/tracing/rtla/src/rtla.c, rtla_usage). */
function isUnknown(stderr: string): boolean {
  return stderr.includes('usage: rtla COMMAND')
}

/** The last line that says something: rt-tests put `ERROR:` before empty ones, too. */
function reason(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.replace(/^(ERROR|FATAL|WARN):/, '').trim())
  return lines.findLast((line) => line !== '') ?? 'it said nothing'
}
