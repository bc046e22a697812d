import { formatNics } from '../../src/commands/nics/list.js'
import { formatNic } from '../../src/commands/nics/show.js'
import { viewNics } from '../../src/commands/nics/view.js'
import { EMPTY_POLICY } from '../../src/config/load.js'
import { tuneRefused } from '../../src/errors/tune.js'
import { UserError } from '../../src/errors/user-error.js'
import { EMPTY_HOST } from '../../src/host/facts.js'
import { formatJitter } from '../../src/jitter/text.js'
import { statusJson } from '../../src/status/json.js'
import { paint } from '../../src/status/line.js'
import { statusOf } from '../../src/status/status.js'
import { statusText, watchHeading } from '../../src/status/text.js'
import { deviationsFrom } from '../../src/tune/deviations.js'
import { explainAll } from '../../src/tune/explain.js'
import { parseSelector } from '../../src/tune/selectors.js'
import { summarize } from '../../src/tune/summary.js'
import { commandsText, tunedText } from '../../src/tune/text.js'
import { narrowedBy } from '../../src/tune/tune.js'
import { wantedByPlan, wantedBySelectors } from '../../src/tune/wanted.js'
import { ownLine } from '../../src/units/printable.js'
import { FOUR_NICS } from '../../test/plan/make.js'
import { plan, snapshot, thread, USAGE } from '../../test/status/make.js'
import { mutate } from '../common/mutate.js'
import type { Shown, Target } from '../common/target.js'

const NAMES = ['plc-1', 'rt', 'instance-0000002a', 'ens1f1']
const THREADS = [
  'CPU 0/KVM',
  'IO disk',
  'IO iothread-of-a-long-name',
  'worker',
  'vhost-4711',
  'qemu-system-x86',
]

/** Longer ones take long to lay out, and show nothing else. */
const LONGEST = 300

/** A thread's name has no more (linux/sched.h, TASK_COMM_LEN). */
const COMM = 15

/**
 * Names that others choose, as `status`, `tune` and `nics` show them: of guests, profiles, I/O threads and interfaces by a
 * record or the kernel, of threads by QEMU.
 */
export const screens: Target = {
  name: 'screens',
  title: 'names of others, on screens and in logs',
  make: (random) => [
    ...NAMES.map((name) => (random.once(2) ? mutate(random, name, NAMES).slice(0, LONGEST) : name)),
    ...THREADS.map((name) => (random.once(2) ? mutate(random, name, THREADS).slice(0, LONGEST) : name)),
  ],
  take([guest = '', profile = '', iothread = '', nic = '', ...names]) {
    const shown = [status(guest, profile, iothread, names), tune(guest, iothread, names), nics(guest, nic)]
    return {
      lines: shown.flatMap(({ lines = [] }) => lines),
      texts: [...shown.flatMap(({ texts = [] }) => texts), jitter(profile, guest)],
    }
  },
}

const recordOf = (guest: string, profile: string, iothread: string) =>
  plan(
    guest,
    {
      vcpus: [{ vcpu: 0, cpus: '0', policy: 'fifo', priority: 1 }],
      emulator: { cpus: '0-1' },
      iothreads: [{ id: iothread, cpus: '2' }],
    },
    { profile },
  )

const threadsOf = (names: readonly string[]) =>
  names.map((name, at) => thread(100 + at, name.slice(0, COMM), '4-5'))

/** Two VMs of one name, whose CPUs are in conflict. */
function status(guest: string, profile: string, iothread: string, names: readonly string[]): Shown {
  const vm = { plan: recordOf(guest, profile, iothread), threads: threadsOf(names), usage: USAGE }
  const before = snapshot({ vms: [{ ...vm, pid: 100 }] })
  const now = snapshot({
    at: 11_000,
    vms: [
      { ...vm, pid: 100 },
      { ...vm, pid: 200, threads: [] },
    ],
  })
  const seen = statusOf(now, before)
  const text = (width: number, heading: string | null) =>
    statusText(seen, { width, heading }).map((line) => `${paint(line, false)}\n`)
  return {
    lines: [...text(80, watchHeading(now.time, 1)), ...text(Number.POSITIVE_INFINITY, null)],
    texts: [statusJson(seen, 2), statusJson(seen, 0)],
  }
}

function tune(guest: string, iothread: string, names: readonly string[]): Shown {
  const target = { guest, pid: 100 }
  const { threads } = recordOf(guest, '', iothread)
  if (threads === null) return {}
  const before = wantedByPlan(threadsOf(names), threads)
  const refusals = deviationsFrom(before).map(narrowedBy)
  const causes = explainAll(refusals, () => ({
    mayNice: true,
    isOwn: false,
    realtimeLimit: 0,
    online: [0, 1],
    cpuset: [2],
    realtime: null,
  }))
  return {
    lines: [
      summarize(threadsOf(names), threads),
      ...causes,
      tuneRefused({ causes }).message,
      noThread(names, iothread),
    ].map(ownLine),
    texts: [
      commandsText(target, before),
      tunedText(target, { before, refusals, missing: [{ kind: 'iothread', id: iothread }] }),
    ],
  }
}

/** The error for a selector that matches nothing names the threads that are there. */
function noThread(names: readonly string[], iothread: string): string {
  try {
    const unnamed = [{ type: 'iothread' as const, id: iothread }]
    wantedBySelectors(threadsOf(names), { unnamed, line: null }, [parseSelector('vcpu:77=0')])
    return ''
  } catch (error) {
    if (error instanceof UserError) return error.message
    throw error
  }
}

function nics(name: string, interfaceName: string): Shown {
  const pci = FOUR_NICS.map((device) => ({
    ...device,
    serial: name,
    interfaces: [{ name: interfaceName, altnames: [interfaceName, name], mac: null }],
  }))
  const use = { kind: 'hidden', what: name } as const
  const views = viewNics({ ...EMPTY_HOST, pci }, EMPTY_POLICY, () => [use])
  return { texts: [formatNics(views), formatNic(`NIC '${name}'`, views)] }
}

const VCPU = {
  ...{ number: 0, cpus: '4', policy: 'fifo', priority: 1, worstMicroseconds: 12, missed: 1 },
  percentiles: { '50': 2, '99': 2, '99.9': 2, '99.99': 2, '99.999': 2 },
}

function jitter(profile: string, explanation: string): string {
  return formatJitter([
    {
      profile,
      accelerator: 'kvm',
      mode: 'timer',
      timer: 'tsc-deadline',
      intervalMicroseconds: 1000,
      vcpu: VCPU,
      vcpus: [VCPU, { ...VCPU, number: 1 }],
      seconds: 10,
      warmUpSeconds: 1,
      ticksPerMicrosecond: 1000,
      worstMicroseconds: 12,
      missed: 1,
      percentiles: VCPU.percentiles,
      worstOverTime: { sliceSeconds: 1, microseconds: [12] },
      histogram: [{ fromMicroseconds: 1, toMicroseconds: 2, count: 3 }],
      explanations: [explanation],
    },
  ])
}
