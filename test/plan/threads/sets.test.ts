import t from 'tap'
import type { KernelThread } from '../../../src/host/kernel-threads.js'
import { parseCpuSet } from '../../../src/units/cpu-set.js'
import { cpusOf, NAMED, planOf, warningsOf } from '../make.js'

const set = (text: string) => parseCpuSet(text) ?? []
const HOST = '[host]\nhousekeeping = "0-3"\nrealtime = "4-7"\n'

const warnings = (profile: string, args: readonly string[] = [], facts = {}, host = HOST) =>
  warningsOf(
    planOf([...NAMED, ...args], {
      cpus: cpusOf('0-7', { isolated: set('4-7'), ...facts }),
      config: `${host}[profile.rt]\n${profile}`,
      options: ['--profile', 'rt'],
    }),
  )

const END =
  'the kernel moves no thread between isolated CPUs, so that threads share one while others are idle; give each thread one CPU, or CPUs that are not isolated'

t.test('several isolated CPUs for a thread are a warning, whichever thread it is', async (t) => {
  t.strictSame(warnings('vcpus.cpus = { 0 = "4-5", 1 = "4-5", 2 = "6" }', ['-smp', '3']), [
    `CPUs 4-5 of vCPU 0-1 are isolated: ${END}`,
  ])
  t.strictSame(warnings('vcpus = { cpus = "4" }\nemulator = { cpus = "6-7" }'), [
    `CPUs 6-7 of emulator threads are isolated: ${END}`,
  ])
  const others = 'iothreads = { cpus = "4-5" }\nworkers = { cpus = "5-6" }\nvhost = { cpus = "6-7" }'
  t.strictSame(warnings(others, ['-object', 'iothread,id=disk']), [
    `CPUs 4-5 of I/O thread 'disk' are isolated: ${END}`,
    `CPUs 5-6 of worker threads are isolated: ${END}`,
    `CPUs 6-7 of vhost threads are isolated: ${END}`,
  ])
  t.strictSame(warnings('vcpus.cpus = { 0 = "3-4" }'), [
    `CPUs 3-4 of vCPU 0 are half isolated (CPU 4): ${END}`,
  ])
  t.strictSame(warnings('vcpus = { cpus = "4-7" }', ['-smp', '4']), [], 'one each')
  t.strictSame(warnings('vcpus.cpus = { 0 = "4-5" }', [], { isolated: [] }), [], 'a partition that balances')
})

t.test('a table that leaves vCPUs out is a warning', async (t) => {
  t.strictSame(warnings('vcpus.cpus = { 0 = "4", 2 = "5" }', ['-smp', '4']), [
    'vCPU 1,3 has no CPUs in the profile, which gives others some: it runs wherever QEMU is started; add it to the table of vcpus.cpus',
  ])
})

t.test('a table that leaves I/O threads out is a warning, with those that it has for none', async (t) => {
  const table = (...keys: readonly string[]) =>
    `iothreads = { ${keys.map((key) => `${key} = { cpus = "0" }`).join(', ')} }`
  const guest = (...ids: readonly string[]) => ids.flatMap((id) => ['-object', `iothread,id=${id}`])
  const two = guest('iothread1', 'iothread2')
  t.strictSame(warnings(table('iothread1', 'iotread2'), two), [
    "I/O thread 'iothread2' is not in the table of iothreads, which has 'iotread2' for no I/O thread of this guest: it goes where emulator threads do; add it to the table, or correct an id",
  ])
  t.strictSame(warnings(table('iothread1'), two), [
    "I/O thread 'iothread2' is not in the table of iothreads: it goes where emulator threads do; add it to the table",
  ])
  t.match(warnings(table('a'), guest('a', ...Array.from({ length: 9 }, (_, at) => `b${at}`))), [
    /^I\/O threads 'b0', 'b1', 'b2' and 6 more are not in the table of iothreads: they go /,
  ])
  t.strictSame(warnings(table('iothread1', 'iothread2', 'iothread3'), two), [], 'a profile of several VMs')
  t.strictSame(warnings(table('a', 'b')), [], 'a guest without any')
  t.strictSame(warnings('iothreads = { cpus = "0" }', two), [])
})

t.test('a best-effort vCPU that may run where a real-time one does is a warning', async (t) => {
  const masked = (first: string) =>
    warnings(
      `vcpus = { cpus = { 0 = "${first}", 1 = "4" }, policy = "fifo", realtime-mask = "^0" }`,
      ['-smp', '2'],
      { isolated: set('4') },
    )
  t.match(masked('3-4'), [
    'vCPU 0 may run on CPU 4 of real-time vCPUs, which starve it there; give it other CPUs',
    /^CPUs 3-4 of vCPU 0 are half isolated/,
  ])
  t.strictSame(masked('3'), [])
})

t.test("priorities above the kernel's own threads are a warning where they are known", async (t) => {
  const fifo = (priority: number, facts: object) =>
    warnings(`vcpus = { cpus = "auto", policy = "fifo", priority = ${priority} }`, [], facts)
  t.strictSame(fifo(50, { rcuPriority: 11 }), [
    "real-time vCPUs at priority 50 are above the kernel's rcuc and ksoftirqd of their CPUs (at most 11 with rcutree.kthread_prio=11): " +
      'a vCPU that is busy keeps them from running, and RCU stalls; lower the priority to 11, or boot with rcutree.kthread_prio=51',
  ])
  t.match(fifo(2, { rcuPriority: 'default' }), [
    /at most 1 without rcutree.kthread_prio=.*lower the priority to 1/,
  ])
  t.strictSame(fifo(1, { rcuPriority: 'default' }), [])
  t.match(fifo(95, { rcuPriority: 'default' }), [
    /lower the priority to 1, or boot with rcutree.kthread_prio=96$/,
  ])
  for (const priority of [96, 98, 99]) {
    t.match(fifo(priority, { rcuPriority: 'default' }), [
      /RCU stalls; give the vCPUs a priority of 95 at most, and boot with rcutree.kthread_prio=96$/,
    ])
  }
  t.strictSame(fifo(99, {}), [], 'a host that does not say')
})

t.test("vCPUs that keep the kernel's own threads of their CPUs waiting are a warning", async (t) => {
  const at = (priority: number | null, threads: readonly KernelThread[] | null, cpus = 'auto') =>
    warningsOf(
      planOf(NAMED, {
        cpus: cpusOf('0-7', { isolated: set('4-7'), rcuPriority: 'default' }),
        config: `${HOST}[profile.rt]\nvcpus = { cpus = "${cpus}", policy = "fifo"${priority === null ? '' : `, priority = ${priority}`} }`,
        options: ['--profile', 'rt'],
        kernelThreads: (asked) => threads?.filter(({ cpu }) => cpu === null || asked.includes(cpu)) ?? null,
      }),
    )
  const threads = (priority: number): KernelThread[] => [
    { name: 'rcub/0', cpu: null, priority: priority + 2 },
    ...[3, 4, 5].flatMap((cpu) => [
      { name: `ksoftirqd/${cpu}`, cpu, priority },
      { name: `ktimers/${cpu}`, cpu, priority: priority + 1 },
      { name: `rcuc/${cpu}`, cpu, priority: priority + 2 },
    ]),
  ]
  const start = (priority: number) =>
    `real-time vCPUs at priority ${priority} keep the kernel's own threads from running while they are busy: `
  const apply = 'run as root: qemu-rt host apply, which puts such threads above vCPUs'
  t.strictSame(at(2, threads(3)), [], 'all above')
  t.strictSame(at(3, threads(3)), [
    `${start(3)}ksoftirqd/4 (priority 3); ${apply}, or give the vCPUs a priority of 2 at most`,
  ])
  t.strictSame(at(50, threads(3)), [
    `${start(50)}ksoftirqd/4 (priority 3) and 3 more; ${apply}, or give the vCPUs a priority of 2 at most`,
  ])
  t.strictSame(at(null, threads(0)), [`${start(1)}ksoftirqd/4 (best effort) and 1 more; ${apply}`])
  t.strictSame(at(99, threads(97)), [
    `${start(99)}ksoftirqd/4 (priority 97) and 3 more; give the vCPUs a priority of 95 at most, then run as root: qemu-rt host apply`,
  ])
  t.strictSame(at(50, [{ name: 'ksoftirqd/4', cpu: 4, priority: 51 }]), [], 'a kernel without the others')
  t.match(at(50, null), [/at most 1 without rcutree.kthread_prio=/], 'a host that does not tell')
  t.strictSame(
    warningsOf(
      planOf(NAMED, {
        cpus: cpusOf('0-7', { isolated: set('4-7') }),
        config: `${HOST}[profile.rt]\nvcpus = { cpus = "auto" }`,
        options: ['--profile', 'rt'],
        kernelThreads: () => t.fail('best-effort vCPUs do not have the host looked at') as never,
      }),
    ),
    [],
  )
})

t.test('what is not isolated beside a partition is added to the partition, not to the boot', async (t) => {
  const list = 'vcpus = { cpus = "4", policy = "fifo" }'
  t.strictSame(warnings(list, [], { isolated: set('5-7'), isolatedByGroups: set('5-7') }), [
    'CPU 4 of real-time vCPUs is not isolated: the kernel puts other threads there; add CPU 4 to the cgroup partition that isolates CPUs 5-7, or choose among these',
  ])
})

t.test('each refusal says what keeps CPUs from the VM', async (t) => {
  const auto = 'vcpus = { cpus = "auto", policy = "fifo" }'
  const partitions = [{ group: '/rt.slice', kind: 'isolated' as const, cpus: [6, 7] }]
  const cases: readonly [profile: string, facts: object, message: RegExp][] = [
    [
      auto,
      { cpuset: set('0-3') },
      /of realtime CPUs 4-7 none is usable \(4-7 outside cpuset 0-3 of QEMU's cgroup\): .*; add CPU 4-7 to AllowedCPUs= of QEMU's slice, or /,
    ],
    [auto, { online: set('0-3') }, /none is usable \(4-7 offline\): .*; bring CPU 4-7 online/],
    [
      auto,
      { online: set('0-3'), smt: 'off' },
      /none is usable \(4-7 offline since SMT is off\): .*; leave CPU 4-7 out of the configuration, or turn SMT on \(as root: echo on >\/sys\/devices\/system\/cpu\/smt\/control\)$/,
    ],
    [
      auto,
      { online: set('0-3'), smt: 'forceoff' },
      /none is usable \(4-7 offline since SMT is off\): .*; leave CPU 4-7 out of the configuration, or boot without nosmt=force$/,
    ],
    [
      'vcpus = { cpus = "6-7" }',
      { online: set('0-5'), smt: 'off' },
      /^CPU 6-7 is offline since SMT is off: .*; choose others, or turn SMT on \(as root: echo on >\/sys\/devices\/system\/cpu\/smt\/control\)$/,
    ],
    [
      auto,
      { online: set('0-4,6-7'), cpuset: set('0-3'), partitions },
      /none is usable \(5 offline, 6-7 taken by the isolated partition of cgroup \/rt.slice, 4 outside cpuset 0-3 of QEMU's cgroup\): .*start the VM in the cgroup that has them/,
    ],
    [
      'vcpus = { cpus = "6-7" }',
      { cpuset: set('0-3'), isolatedByGroups: set('6-7') },
      /QEMU cannot use CPU 6-7: taken by the isolated partition of another cgroup: .*; start the VM in the cgroup that has them, or choose other CPUs/,
    ],
    [
      'vcpus = { cpus = "4", policy = "fifo" }',
      { cpuset: set('4-7') },
      /no CPU is left for emulator threads: of housekeeping CPUs 0-3 none is usable \(0-3 outside cpuset 4-7 of QEMU's cgroup\)/,
    ],
  ]
  for (const [profile, facts, message] of cases) {
    t.throws(() => warnings(profile, ['-smp', '2'].slice(0, profile.includes('"4"') ? 0 : 2), facts), {
      exitCode: 69,
      message,
      mayPass: false,
    })
  }
})

t.test('vCPUs that run in one thread of QEMU are a warning', async (t) => {
  const END = 'it is scheduled as vCPU 0 is, and uses one of their CPUs at a time'
  const told = (...args: string[]) => warnings('vcpus = { cpus = "auto" }', ['-smp', '2', ...args])
  t.strictSame(told('-accel', 'tcg,thread=single'), [
    `QEMU runs vCPU 0-1 in one thread (-accel tcg,thread=single): ${END}; leave thread=single out, or give the guest one vCPU`,
  ])
  t.strictSame(told('-icount', 'shift=1'), [
    `QEMU runs vCPU 0-1 in one thread (-icount): ${END}; leave -icount out, or give the guest one vCPU`,
  ])
  t.strictSame(told('-accel', 'tcg'), [])
  t.strictSame(told('-accel', 'kvm', '-accel', 'tcg,thread=single'), [])
  t.strictSame(told('-smp', '1', '-accel', 'tcg,thread=single'), [])
})
