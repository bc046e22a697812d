import t from 'tap'
import { planToJson } from '../../../src/plan/json.js'
import type { HeldLease } from '../../../src/plan/leases.js'
import { cpusOf, NAMED, planOf } from '../make.js'

/** A guest whose real-time vCPU is on CPU 1. */
const PLC: HeldLease = { guest: 'plc-1', pid: 4711, nics: [], cpus: [1] }

function planned(profile: string, args: readonly string[] = [], given: Parameters<typeof planOf>[1] = {}) {
  const plan = planOf([...NAMED, ...args], {
    cpus: cpusOf('0-3'),
    held: [PLC],
    ...given,
    config: `${given.config ?? ''}[profile.rt]\n${profile}`,
    options: ['--profile', 'rt'],
  })
  const { affinity, threads, warnings } = planToJson(plan) as Record<string, unknown>
  return { affinity, threads: JSON.parse(JSON.stringify(threads)), warnings }
}

const IO = ['-object', 'iothread,id=a', '-object', 'iothread,id=b']
const END =
  "which guest 'plc-1' (PID 4711) holds for itself: a real-time vCPU there starves other threads; choose other CPUs"

t.test('emulator threads without CPUs of their own are kept off the CPUs of other VMs', async (t) => {
  t.match(planned('vcpus = { cpus = "0" }'), {
    affinity: '2-3',
    threads: { emulator: { cpus: '2-3' } },
    warnings: [],
  })
  t.match(planned('vcpus = { cpus = "3", policy = "fifo" }'), { affinity: '0,2' })
  const housekeeping = { config: '[host]\nhousekeeping = "0-1"\n' }
  t.match(planned('vcpus = { cpus = "3" }', [], housekeeping), { affinity: '0' })
  const pinned = { cpus: cpusOf('0-3', { startCpuset: [1, 2] }) }
  t.match(planned('vcpus = { cpus = "3" }', [], pinned), { affinity: '2' })
})

t.test(
  'where no others are left, real-time vCPUs are refused, and best-effort ones leave them alone',
  async (t) => {
    const held = [{ ...PLC, cpus: [1, 2, 3] }]
    t.throws(() => planned('vcpus = { cpus = "0", policy = "fifo" }', [], { held }), {
      exitCode: 69,
      mayPass: true,
      message:
        'no CPU is left for emulator threads beside the real-time vCPUs on CPU 0 (1-3 held by guest \'plc-1\' (PID 4711)): qemu-rt.toml:2; stop a VM or wait for one with --wait SECONDS, or set housekeeping under [host], or emulator = { cpus = "…" } in the profile',
    })
    const housekeeping = { held: [{ ...PLC, cpus: [1] }], config: '[host]\nhousekeeping = "1"\n' }
    t.throws(() => planned('vcpus = { cpus = "0", policy = "fifo" }', [], housekeeping), {
      exitCode: 69,
      mayPass: true,
      message:
        /of housekeeping CPUs 1 none is usable \(1 held by guest 'plc-1' \(PID 4711\)\): .*; stop a VM or wait for one with --wait SECONDS, or set emulator/,
    })
    t.match(planned('vcpus = { cpus = "0" }', [], { held }), {
      affinity: null,
      threads: { emulator: undefined },
    })
  },
)

t.test('real-time threads of any kind are refused where another VM has all their CPUs', async (t) => {
  const refused: readonly [profile: string, what: string][] = [
    ['emulator = { cpus = "1", policy = "fifo" }', 'emulator threads at fifo 1'],
    ['iothreads = { cpus = "1", policy = "fifo", priority = 5 }', "I/O thread 'a' at fifo 5"],
    ['iothreads = { b = { cpus = "1", policy = "rr" } }', "I/O thread 'b' at rr 1"],
    ['emulator = { cpus = "1" }\niothreads = { policy = "fifo" }', "I/O thread 'a' at fifo 1"],
    ['workers = { cpus = "1", policy = "rr" }', 'worker threads at rr 1'],
    ['vhost = { cpus = "1", policy = "fifo" }', 'vhost threads at fifo 1'],
    ['thread-contexts = { cpus = "1", policy = "fifo" }', 'thread contexts at fifo 1'],
  ]
  for (const [profile, what] of refused) {
    const message = new RegExp(
      `^${what} would run on CPU 1, which is held by guest 'plc-1' \\(PID 4711\\): qemu-rt.toml:`,
    )
    t.throws(() => planned(profile, IO), { exitCode: 69, mayPass: true, message }, profile)
  }
})

t.test('other threads there are a warning, of each kind once', async (t) => {
  const warnings = (profile: string, args: readonly string[] = IO) => planned(profile, args).warnings
  t.strictSame(warnings('vcpus = { cpus = "1" }\nemulator = { cpus = "0" }'), [
    `vCPU 0 may run on CPU 1, ${END}`,
  ])
  t.strictSame(
    warnings('vcpus.cpus = { 0 = "1", 1 = "0-1", 2 = "2" }\nemulator = { cpus = "0" }', ['-smp', '3']),
    [`vCPU 0-1 may run on CPU 1, ${END}`],
  )
  t.strictSame(warnings('emulator = { cpus = "1" }\niothreads = { cpus = "0-1" }'), [
    `emulator threads may run on CPU 1, ${END}`,
    `I/O threads may run on CPU 1, ${END}`,
  ])
  t.strictSame(warnings('workers = { cpus = "1" }\nvhost = { cpus = "0-1", policy = "fifo" }'), [
    `worker threads may run on CPU 1, ${END}`,
    `vhost threads may run on CPU 1, ${END}`,
  ])
  t.strictSame(warnings('thread-contexts = { cpus = "1" }'), [`thread contexts may run on CPU 1, ${END}`])
  t.strictSame(warnings('emulator = { cpus = "0,2-3" }'), [])
})

t.test('a VM of which nothing but its CPUs is known counts as any other', async (t) => {
  const held: readonly HeldLease[] = [{ guest: null, pid: 0, nics: [], cpus: [1] }]
  t.match(planned('vcpus = { cpus = "0" }', [], { held }), { affinity: '2-3' })
  t.strictSame(planned('emulator = { cpus = "1" }', [], { held }).warnings, [
    'emulator threads may run on CPU 1, which a guest without a name holds for itself: a real-time vCPU there starves other threads; choose other CPUs',
  ])
})

t.test('what tune keeps a running VM from is no VM, and refuses no other threads', async (t) => {
  const away: HeldLease = { guest: null, pid: 0, nics: [], cpus: [0, 1, 2], isWish: true }
  const held = [PLC, away]
  const own = 'vcpus = { cpus = "3", policy = "fifo" }'
  t.match(planned(own, [], { held }), { affinity: '0,2', warnings: [] })
  const io = 'iothreads = { cpus = "2", policy = "fifo" }'
  t.match(planned(`${own}\n${io}\nemulator = { cpus = "0" }`, IO, { held }).warnings, [])
})
