import t from 'tap'
import { parsePolicy } from '../../../src/config/parse.js'
import type { HeldLease } from '../../../src/plan/leases.js'
import { changedVcpus, planPlugged } from '../../../src/plan/threads/plugged.js'
import { cpusOf } from '../make.js'

const HOST = '[host]\nhousekeeping = "0-1"\nrealtime = "4-7"\n'
const AUTO = '[profile.rt]\nvcpus = { cpus = "auto", policy = "fifo", hotplug = "later" }\n'
const PLACE = { policy: null, priority: null }
const FIFO = { policy: 'fifo' as const, priority: 1 }

const record = {
  threads: {
    vcpus: [{ vcpu: 0, cpus: [5], ...FIFO }],
    emulator: { cpus: [0, 1], ...PLACE },
    iothreads: [],
    workers: null,
    vhost: null,
  },
  lease: { nics: [], cpus: [5] },
  vcpusAtStart: 1,
  maxcpus: 4,
}

const plan = (
  there: number[],
  { of = record, profile = AUTO, held = [] as HeldLease[], threads = [] as number[][] } = {},
) => {
  const changed = changedVcpus(of, there, threads)
  const policy = parsePolicy(HOST + profile, 'qemu-rt.toml')
  const settings = policy.profiles.rt
  if (changed === null || settings === undefined) return null
  const planned = planPlugged({
    record: of,
    changed,
    policy,
    profile: { name: 'rt', settings },
    cpus: cpusOf('0-7'),
    held,
  })
  return (
    planned && {
      vcpus: planned.threads.vcpus.map(({ vcpu, cpus }) => [vcpu, String(cpus)]),
      leased: planned.leased,
    }
  )
}

t.test('a vCPU that was plugged gets a free CPU, and the others keep theirs', async (t) => {
  const held = [{ guest: 'plc-1', pid: 1, nics: [], cpus: [4] }]
  t.strictSame(plan([0, 2], { held }), {
    vcpus: [
      [0, '5'],
      [2, '6'],
    ],
    leased: [5, 6],
  })
  t.strictSame(plan([2, 0, 1], { held })?.vcpus, [
    [0, '5'],
    [1, '6'],
    [2, '7'],
  ])
})

t.test('of a list it gets the one at its place', async (t) => {
  const profile = AUTO.replace('auto', '5,7')
  t.strictSame(plan([0, 1], { profile }), {
    vcpus: [
      [0, '5'],
      [1, '7'],
    ],
    leased: [5, 7],
  })
  t.throws(() => plan([0, 2], { profile }), {
    message: /3 vCPUs need a CPU each, and only CPUs 5,7 are there/,
  })
})

t.test('CPUs of one that was unplugged are let go, those from the start are kept', async (t) => {
  const of = {
    ...record,
    threads: { ...record.threads, vcpus: [...record.threads.vcpus, { vcpu: 2, cpus: [6], ...FIFO }] },
    lease: { nics: [], cpus: [5, 6] },
  }
  t.strictSame(plan([0], { of }), { vcpus: [[0, '5']], leased: [5] })
  t.strictSame(plan([0, 3], { of })?.vcpus, [
    [0, '5'],
    [3, '4'],
  ])
  t.equal(plan([2], { of }), null, 'vCPU 0 has no thread yet')
})

t.test('CPUs where a thread of the VM is still kept are not let go, whatever its name', async (t) => {
  const of = {
    ...record,
    threads: { ...record.threads, vcpus: [...record.threads.vcpus, { vcpu: 2, cpus: [6], ...FIFO }] },
    lease: { nics: [], cpus: [5, 6] },
  }
  t.equal(plan([0], { of, threads: [[0, 1], [5], [6]] }), null)
  t.strictSame(plan([0, 3], { of, threads: [[6]] })?.leased, [4, 5, 6])
  t.strictSame(plan([0], { of, threads: [[0, 1], [5], []] })?.leased, [5])
})

t.test('what QEMU says of its vCPUs is believed up to maxcpus', async (t) => {
  t.equal(plan([0, 4, 99, 8191]), null)
  t.equal(plan([0, 1], { of: { ...record, maxcpus: null } as unknown as typeof record }), null)
  t.equal(plan([0, 1], { profile: AUTO.replace('later', 'lease') }), null)
})

t.test('a CPU of another VM is not given to it', async (t) => {
  const held = [{ guest: 'plc-1', pid: 0, nics: [], cpus: [4, 6, 7] }]
  t.throws(() => plan([0, 1], { held }), {
    message:
      /^vCPUs need 1 CPU; of realtime CPUs 4-7 none is usable \(4,6-7 held by guest 'plc-1', 5 given to other threads of this VM\)/,
    exitCode: 69,
  })
})
