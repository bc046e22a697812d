import type { Mode } from '../mode.js'
import type { Placement } from './floor.js'
import {
  CYCLICTEST_BUCKETS,
  type HostSample,
  OSLAT_BUCKETS,
  parseCyclictest,
  parseOslat,
} from './rt-tests.js'

interface HostTask {
  readonly placement: Placement
  readonly seconds: number
  /** Between two wake-ups, for what sleeps. */
  readonly intervalMicroseconds: number
  /** The file that it is to write. */
  readonly json: string
}

/** A program that does on the host what the guest does in a VM. */
export interface HostTool {
  readonly program: string
  /** Debian's package that has it. */
  readonly package: string
  readonly args: (task: HostTask) => string[]
  readonly parse: (json: string) => HostSample | null
}

/** One for each mode (oslat(8), cyclictest(8) of rt-tests 2.4 to 2.10). */
export const HOST_TOOLS: Readonly<Record<Mode, HostTool>> = {
  spin: {
    program: 'oslat',
    package: 'rt-tests',
    args: ({ placement: { cpu, otherCpu, policy, priority }, seconds, json }) => [
      ...['--cpu-list', `${cpu}`, '--cpu-main-thread', `${otherCpu}`, '--duration', `${seconds}`],
      ...['--quiet', '--bucket-size', `${OSLAT_BUCKETS}`, `--json=${json}`],
      // It knows FIFO alone; alone at its priority a thread of `rr` runs in the same way.
      ...(isRealtime(policy) ? ['--rtprio', `${priority}`] : []),
    ],
    parse: parseOslat,
  },
  timer: {
    program: 'cyclictest',
    package: 'rt-tests',
    args: ({ placement: { cpu, otherCpu, policy, priority }, seconds, intervalMicroseconds, json }) => [
      ...[`--affinity=${cpu}`, `--mainaffinity=${otherCpu}`, '--threads=1', '--quiet'],
      ...[`--duration=${seconds}`, `--interval=${intervalMicroseconds}`],
      ...[`--histogram=${CYCLICTEST_BUCKETS}`, `--json=${json}`],
      `--policy=${policy}`,
      ...(isRealtime(policy) ? [`--priority=${priority}`] : []),
      // Otherwise it keeps all CPUs out of sleep states, which nothing does while the guest runs.
      '--default-system',
    ],
    parse: parseCyclictest,
  },
}

/** rtla-hwnoise(1). It keeps interrupts off the CPU for three quarters of each second. */
export const HWNOISE = {
  program: 'rtla',
  package: 'rtla',
  args: ({ cpu, otherCpu }: Placement, seconds: number) => [
    ...['hwnoise', '--quiet', '--cpus', `${cpu}`, '--house-keeping', `${otherCpu}`],
    ...['--threshold', '1', '--duration', `${seconds}s`],
  ],
} as const

function isRealtime(policy: string): boolean {
  return policy === 'fifo' || policy === 'rr'
}
