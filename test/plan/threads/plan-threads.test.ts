import t from 'tap'

import { planToJson } from '../../../src/plan/json.js'
import { parseCpuSet } from '../../../src/units/cpu-set.js'
import { cpusOf, FOUR_NICS, NAMED, planOf, withNic } from '../make.js'

const HOST = '[host]\nhousekeeping = "0-1"\nrealtime = "4-7"\nswitch = "2-3"\n'
const set = (text: string) => parseCpuSet(text) ?? []

/** The plan of a guest with a profile on a host of eight CPUs, as its JSON has it. */
function threadsOf(
  profile: string,
  args: readonly string[] = [],
  given: Parameters<typeof planOf>[1] & { host?: string } = {},
) {
  const { host = HOST, ...rest } = given
  const plan = planOf([...NAMED, ...args], {
    cpus: cpusOf('0-7'),
    ...rest,
    config: `${host}[profile.rt]\n${profile}`,
    options: ['--profile', 'rt', ...(rest.options ?? [])],
  })
  const { affinity, lease, threads, warnings } = planToJson(plan) as Record<string, unknown>
  return { affinity, lease, threads: JSON.parse(JSON.stringify(threads)), warnings }
}

const FIFO = 'vcpus = { cpus = "auto", policy = "fifo", priority = 2 }'

t.test('auto gives each vCPU a CPU of its own, and emulator threads the housekeeping CPUs', async (t) => {
  t.strictSame(threadsOf(FIFO, ['-smp', '2']), {
    affinity: '0-1',
    lease: { nics: [], cpus: '4-5' },
    threads: {
      vcpus: [
        { vcpu: 0, cpus: '4', policy: 'fifo', priority: 2 },
        { vcpu: 1, cpus: '5', policy: 'fifo', priority: 2 },
      ],
      emulator: { cpus: '0-1' },
      iothreads: [],
    },
    warnings: [],
  })
})

t.test('vCPUs that can be plugged later have their CPUs from the start', async (t) => {
  t.match(threadsOf(FIFO, ['-smp', '1,maxcpus=3']).threads.vcpus, [
    { cpus: '4' },
    { cpus: '5' },
    { cpus: '6' },
  ])
})

t.test('or take them when they are plugged', async (t) => {
  const later = FIFO.replace('}', ', hotplug = "later" }')
  const { threads, lease } = threadsOf(later, ['-smp', '1,maxcpus=16'])
  t.match(threads.vcpus, [{ vcpu: 0, cpus: '4' }])
  t.equal(threads.vcpus.length, 1)
  t.strictSame(lease, { nics: [], cpus: '4' })
  const masked = 'vcpus = { cpus = "4-5", policy = "fifo", realtime-mask = "^0", hotplug = "later" }'
  t.strictSame(threadsOf(masked, ['-smp', '1,maxcpus=16']).threads.vcpus, [
    { vcpu: 0, cpus: '4', policy: 'other' },
  ])
})

t.test('a list gives its CPUs in order; best-effort vCPUs take no lease', async (t) => {
  const { threads, lease, affinity } = threadsOf('vcpus = { cpus = "4-7" }', ['-smp', '2'])
  t.strictSame(threads.vcpus, [
    { vcpu: 0, cpus: '4' },
    { vcpu: 1, cpus: '5' },
  ])
  t.equal(lease, null)
  t.equal(affinity, '0-1')
})

t.test('a real-time list takes a lease on what it uses', async (t) => {
  t.strictSame(threadsOf('vcpus = { cpus = "5-7", policy = "rr" }', ['-smp', '2']).lease, {
    nics: [],
    cpus: '5-6',
  })
})

t.test(
  'a set for each vCPU; those without one are left alone, and then QEMU starts where it would',
  async (t) => {
    const { threads, affinity } = threadsOf('vcpus = { cpus = { 0 = "4", 1 = "5-6" } }', ['-smp', '3'])
    t.strictSame(threads.vcpus, [{ vcpu: 0, cpus: '4' }, { vcpu: 1, cpus: '5-6' }, { vcpu: 2 }])
    t.equal(affinity, null)
  },
)

t.test('housekeeping CPUs are shared by all vCPUs', async (t) => {
  t.strictSame(threadsOf('vcpus = { cpus = "housekeeping" }', ['-smp', '3']).threads.vcpus, [
    { vcpu: 0, cpus: '0-1' },
    { vcpu: 1, cpus: '0-1' },
    { vcpu: 2, cpus: '0-1' },
  ])
})

t.test("realtime-mask is Nova's: ^0 is all but vCPU 0, 2-3 is these alone", async (t) => {
  const policies = (mask: string) =>
    threadsOf(`vcpus = { cpus = "auto", policy = "fifo", realtime-mask = "${mask}" }`, [
      '-smp',
      '4',
    ]).threads.vcpus.map((vcpu: { policy?: string }) => vcpu.policy ?? '-')
  t.strictSame(policies('^0'), ['other', 'fifo', 'fifo', 'fifo'], 'best-effort, whatever they were before')
  t.strictSame(policies('^0-1'), ['other', 'other', 'fifo', 'fifo'])
  t.strictSame(policies('2-3'), ['other', 'other', 'fifo', 'fifo'])
  t.strictSame(policies('0-3,^1'), ['fifo', 'other', 'fifo', 'fifo'])
})

t.test('I/O threads by id or all alike, workers and vhost threads', async (t) => {
  const args = ['-object', 'iothread,id=disk', '-object', '{"qom-type":"iothread","id":"net"}']
  const all = threadsOf(
    'iothreads = { cpus = "0" }\nworkers = { cpus = "1" }\nvhost = { cpus = "0", policy = "batch" }',
    args,
  )
  t.strictSame(all.threads, {
    vcpus: [],
    iothreads: [
      { id: 'disk', cpus: '0' },
      { id: 'net', cpus: '0' },
    ],
    workers: { cpus: '1' },
    vhost: { cpus: '0', policy: 'batch' },
  })
  t.equal(all.affinity, null, 'vCPU threads would inherit it')
  const one = threadsOf('iothreads = { net = { cpus = "1", policy = "fifo" }, gone = { cpus = "0" } }', args)
  t.strictSame(one.threads.iothreads, [{ id: 'net', cpus: '1', policy: 'fifo', priority: 1 }])
})

t.test('auto for other threads hands out a CPU each, after the vCPUs', async (t) => {
  const { threads, lease } = threadsOf(
    `${FIFO}\niothreads = { cpus = "auto" }\nemulator = { cpus = "auto" }`,
    [...['-smp', '1', '-object', 'iothread,id=a']],
  )
  t.match(threads, { vcpus: [{ cpus: '4' }], iothreads: [{ id: 'a', cpus: '5' }], emulator: { cpus: '6' } })
  t.match(lease, { cpus: '4-6' })
})

t.test('threads with a policy alone run where emulator threads do', async (t) => {
  const profile = `${FIFO}\nemulator = { cpus = "1" }\niothreads = { policy = "fifo" }\nworkers = { policy = "batch" }`
  const { threads } = threadsOf(profile, ['-object', 'iothread,id=a'])
  t.match(threads, { iothreads: [{ cpus: '1', policy: 'fifo' }], workers: { cpus: '1', policy: 'batch' } })
})

t.test('without housekeeping CPUs emulator threads get what nobody else has', async (t) => {
  const host = '[host]\nrealtime = "4-7"\nswitch = "3"\n'
  t.equal(threadsOf(FIFO, ['-smp', '2'], { host }).affinity, '0-2')
  const vcpus = 'vcpus = { cpus = "1-2", policy = "fifo" }'
  t.equal(threadsOf(vcpus, ['-smp', '2'], { host: '' }).affinity, '0,3-7')
})

t.test('the cgroup narrows every set', async (t) => {
  const cpus = cpusOf('0-7', { cpuset: set('1,5-7') })
  const { affinity, lease } = threadsOf(FIFO, ['-smp', '2'], { cpus })
  t.equal(affinity, '1')
  t.match(lease, { cpus: '5-6' })
})

t.test('auto passes over offline CPUs and those that others hold', async (t) => {
  const cpus = cpusOf('0-7', { online: set('0-4,6-7') })
  const held = [{ guest: 'a', pid: 7, nics: [], cpus: [6] }]
  t.match(threadsOf(FIFO, ['-smp', '2'], { cpus, held }).lease, { cpus: '4,7' })
})

t.test('what cannot be is refused', async (t) => {
  const held = [
    { guest: 'plc-1', pid: 4711, nics: [], cpus: [4, 5] },
    { guest: null, pid: 0, nics: [], cpus: [6] },
  ]
  const cases: readonly [
    what: string,
    profile: string,
    args: readonly string[],
    given: Parameters<typeof threadsOf>[2],
    exitCode: number,
    message: string,
  ][] = [
    [
      'a real-time vCPU where emulator threads run',
      'vcpus = { cpus = "4-5", policy = "fifo" }\nemulator = { cpus = "5-6" }',
      ['-smp', '2'],
      {},
      78,
      'vCPU 1 at fifo 1 would share CPU 5 with emulator threads, which it would starve: qemu-rt.toml:6; give one of the two other CPUs',
    ],
    [
      'a real-time vCPU where an I/O thread runs',
      'vcpus = { cpus = "4", policy = "fifo" }\niothreads = { cpus = "4" }',
      ['-object', 'iothread,id=disk'],
      {},
      78,
      "vCPU 0 at fifo 1 would share CPU 4 with I/O thread 'disk', which it would starve: qemu-rt.toml:6; give one of the two other CPUs",
    ],
    [
      'a real-time vCPU on a housekeeping CPU',
      'vcpus = { cpus = "1,4", policy = "rr", priority = 9 }\nemulator = { cpus = "0" }',
      ['-smp', '2'],
      {},
      78,
      'vCPU 0 at rr 9 would run on housekeeping CPU 1: qemu-rt.toml:6; give it realtime CPUs, or cpus = "auto"',
    ],
    [
      'a real-time vCPU on a switch CPU',
      'vcpus = { cpus = "3-4", policy = "fifo" }',
      ['-smp', '2'],
      {},
      78,
      "vCPU 0 at fifo 1 would run on switch CPU 3: qemu-rt.toml:6; switch CPUs are the poll-mode switch's alone; choose others",
    ],
    [
      'any thread on a switch CPU',
      'workers = { cpus = "2" }',
      [],
      {},
      78,
      "worker threads would run on switch CPU 2: qemu-rt.toml:6; switch CPUs are the poll-mode switch's alone; choose others",
    ],
    [
      'two real-time vCPUs of one VM on one CPU',
      'vcpus = { cpus = { 0 = "4-5", 1 = "5" }, policy = "fifo" }',
      ['-smp', '2'],
      {},
      78,
      'vCPU 1 at fifo 1 would share CPU 5 with vCPU 0 at fifo 1, which it would starve: qemu-rt.toml:6; give one of the two other CPUs',
    ],
    [
      'a best-effort vCPU that only has the CPU of a real-time one',
      'vcpus = { cpus = { 0 = "4", 1 = "4" }, policy = "fifo", realtime-mask = "^0" }',
      ['-smp', '2'],
      {},
      78,
      'vCPU 1 at fifo 1 would share CPU 4 with vCPU 0, which it would starve: qemu-rt.toml:6; give one of the two other CPUs',
    ],
    [
      'a best-effort vCPU that only has the CPUs of real-time ones',
      'vcpus = { cpus = { 0 = "4-5", 1 = "4", 2 = "5" }, policy = "fifo", realtime-mask = "^0" }',
      ['-smp', '3'],
      {},
      78,
      'vCPU 1 at fifo 1 would share CPU 4 with vCPU 0, which it would starve: qemu-rt.toml:6; give one of the two other CPUs',
    ],
    [
      'two real-time vCPUs of different VMs on one CPU',
      'vcpus = { cpus = "5,7", policy = "fifo" }',
      ['-smp', '2'],
      { held },
      69,
      'CPU 5 is held by guest \'plc-1\' (PID 4711): qemu-rt.toml:6; stop that VM or wait for it with --wait SECONDS, or choose other CPUs (cpus = "auto" finds free ones)',
    ],
    [
      'fewer CPUs than there may be vCPUs, out of auto',
      'vcpus = { cpus = "auto" }',
      ['-smp', '1,maxcpus=16'],
      {},
      69,
      'the guest has 1 vCPU and maxcpus=16, so vCPUs need 16 CPUs; only realtime CPUs 4-7 are there: qemu-rt.toml:6; widen realtime under [host], or give the guest fewer vCPUs, or write hotplug = "later" for vcpus: then 1 CPU will do at the start',
    ],
    [
      'fewer CPUs than vCPUs',
      'vcpus = { cpus = "4-5" }',
      ['-smp', '1,maxcpus=3'],
      {},
      69,
      'the guest has 1 vCPU and maxcpus=3, so 3 vCPUs need a CPU each, and only CPUs 4-5 are there: qemu-rt.toml:6; give each vCPU a CPU of its own, or the guest fewer vCPUs, or write hotplug = "later" for vcpus: then 1 CPU will do at the start',
    ],
    [
      "fewer CPUs than vCPUs within the cgroup's cpuset",
      'vcpus = { cpus = "4-5" }',
      ['-smp', '2'],
      { cpus: cpusOf('0-7', { cpuset: set('0-4') }) },
      69,
      "2 vCPUs need a CPU each, and only CPU 4 is there (5 outside cpuset 0-4 of QEMU's cgroup): qemu-rt.toml:6; give each vCPU a CPU of its own, or the guest fewer vCPUs",
    ],
    [
      'more vCPUs than auto has CPUs',
      FIFO,
      ['-smp', '5'],
      {},
      69,
      'vCPUs need 5 CPUs; only realtime CPUs 4-7 are there: qemu-rt.toml:6; widen realtime under [host], or give the guest fewer vCPUs',
    ],
    [
      'more vCPUs than other VMs have left',
      FIFO,
      ['-smp', '2'],
      { held },
      69,
      "vCPUs need 2 CPUs; of realtime CPUs 4-7 only CPU 7 is free (4-5 held by guest 'plc-1' (PID 4711), 6 held by a guest without a name): qemu-rt.toml:6; stop a VM or wait for one with --wait SECONDS, or widen realtime under [host]",
    ],
    [
      'auto without realtime CPUs',
      FIFO,
      [],
      { host: '[host]\nhousekeeping = "0-1"\nswitch = "2"\n\n' },
      78,
      '\'realtime\' is not defined under [host]: qemu-rt.toml:6; write realtime = "…" under [host], or give the CPUs as a list',
    ],
    [
      'CPUs that the host has not',
      'vcpus = { cpus = "7-9" }',
      [],
      {},
      78,
      'CPU 8-9 does not exist on this host: qemu-rt.toml:6; name only CPUs of this host: 0-7',
    ],
    [
      'CPUs that are offline',
      'vcpus = { cpus = "6-7" }',
      [],
      { cpus: cpusOf('0-7', { online: set('0-6') }) },
      69,
      'CPU 7 is offline: qemu-rt.toml:6; run as root: chcpu -e 7, or choose others',
    ],
    [
      'CPUs that the cgroup keeps from the VM',
      'emulator = { cpus = "housekeeping" }',
      [],
      { cpus: cpusOf('0-7', { cpuset: set('4-7') }) },
      69,
      "QEMU cannot use CPU 0-1: outside cpuset 4-7 of QEMU's cgroup: qemu-rt.toml:6; add CPU 0-1 to AllowedCPUs= of QEMU's slice, or to cpuset.cpus of that cgroup and of those above it, or choose other CPUs",
    ],
    [
      'a real-time vCPU without CPUs',
      'vcpus = { cpus = { 0 = "4" }, policy = "fifo" }',
      ['-smp', '2'],
      {},
      78,
      'vCPU 1 is real-time and has no CPUs of its own: qemu-rt.toml:6; add cpus = "auto", or name a CPU for it',
    ],
    [
      'a mask that leaves no vCPU real-time',
      'vcpus = { cpus = "auto", policy = "fifo", realtime-mask = "^0" }',
      ['-smp', '1'],
      {},
      78,
      'realtime-mask "^0" leaves none of 1 vCPU real-time: qemu-rt.toml:6; give the guest more vCPUs, or change the mask',
    ],
    [
      'real-time vCPUs on all CPUs there are',
      'vcpus = { cpus = "0-7", policy = "fifo" }',
      ['-smp', '8'],
      { host: '\n\n\n\n' },
      78,
      'no CPU is left for emulator threads beside the real-time vCPUs on CPU 0-7: qemu-rt.toml:6; set housekeeping under [host], or emulator = { cpus = "…" } in the profile',
    ],
  ]
  for (const [what, profile, args, given, exitCode, message] of cases) {
    t.throws(() => threadsOf(profile, args, given), { exitCode, message }, what)
  }
})

t.test('vCPUs, NIC and memory on different NUMA nodes are a warning', async (t) => {
  const cpus = cpusOf('0-7', { nodes: { 0: set('0-3'), 1: set('4-7') } })
  const warnings = (profile: string, args: string[], given = {}) =>
    threadsOf(profile, args, { cpus, ...given }).warnings
  const nic = { options: ['--nic', 'ens1f0'], pci: FOUR_NICS }
  t.strictSame(warnings(FIFO, [], nic), [
    "vCPUs are on NUMA node 1, NIC 'ens1f0' is on NUMA node 0: its interrupts and DMA cross nodes",
    "vCPUs are on NUMA node 1, emulator threads on NUMA node 0, where guest RAM that they preallocate will be: bind the memory backend (host-nodes, libvirt's <numatune>)",
  ])
  const bound = (node: number) => [
    ...['-machine', 'q35,memory-backend=ram'],
    ...['-object', `memory-backend-ram,id=ram,size=1G,host-nodes=${node},policy=bind`],
  ]
  t.strictSame(warnings(FIFO, bound(1)), [])
  t.strictSame(warnings(FIFO, bound(0)), [
    'vCPUs are on NUMA node 1, guest RAM is bound to NUMA node 0: every access crosses nodes',
  ])
  const spread = 'vcpus = { cpus = "1,5" }\nemulator = { cpus = "0" }'
  t.strictSame(warnings(spread, ['-smp', '2']), [
    'vCPUs are on NUMA nodes 0 and 1, but the guest sees one node: it cannot tell near memory from far',
  ])
  t.strictSame(threadsOf(FIFO, [], nic).warnings, [], 'on a host with one node')
})

t.test('auto gives real-time vCPUs isolated CPUs first, and others by order', async (t) => {
  const cpus = cpusOf('0-7', { isolated: set('6-7') })
  t.match(threadsOf(FIFO, [], { cpus }).lease, { cpus: '6' })
  t.match(threadsOf('vcpus = { cpus = "auto" }', [], { cpus }).lease, { cpus: '4' })
  const withDisk = threadsOf(`${FIFO}\niothreads = { cpus = "auto" }`, ['-object', 'iothread,id=disk'], {
    cpus,
  })
  t.match(withDisk.lease, { cpus: '4,6' })
})

t.test("auto prefers the NIC's node", async (t) => {
  const cpus = cpusOf('0-7', { nodes: { 0: set('0-5'), 1: set('6-7') } })
  const given = { cpus, options: ['--nic', 'ens1f0'], pci: withNic(0, { numaNode: 1 }) }
  t.match(threadsOf(FIFO, [], given).lease, { nics: ['0000:03:00.0'], cpus: '6' })
  t.match(threadsOf(FIFO, [], { ...given, pci: FOUR_NICS }).lease, { cpus: '4' })
})

t.test('throttling and CPUs that are not isolated are a warning for real-time vCPUs alone', async (t) => {
  const cpus = cpusOf('0-7', { isolated: set('5-7'), realtimeRuntime: 950000 })
  t.strictSame(threadsOf(FIFO, ['-smp', '4'], { cpus }).warnings, [
    'real-time throttling is on (kernel.sched_rt_runtime_us is 950000): a vCPU that is busy is stopped for the rest of each period; run as root: sysctl -w kernel.sched_rt_runtime_us=-1; to keep it, write "kernel.sched_rt_runtime_us = -1" into /etc/sysctl.d/90-qemu-rt.conf',
    'CPU 4 of real-time vCPUs is not isolated: the kernel puts other threads there; boot with isolcpus=managed_irq,domain,2-7 nohz_full=2-7 rcu_nocbs=2-7',
  ])
  t.strictSame(threadsOf('vcpus = { cpus = "auto" }', [], { cpus }).warnings, [])
})

t.test('a NIC that another VM holds is refused, and a pool passes over it', async (t) => {
  const held = [
    { guest: 'plc-1', pid: 9, nics: FOUR_NICS.slice(0, 1).map(({ address }) => address), cpus: [] },
  ]
  const config = '[nic.line]\nid = "8086:1521"\npool = true\n'
  const plan = planOf(NAMED, { config, pci: FOUR_NICS, held, options: ['--nic', 'line'] })
  t.match(plan.lease, { nics: ['0000:03:00.1'] })
  t.throws(() => planOf(NAMED, { pci: FOUR_NICS, held, options: ['--nic', 'ens1f0'] }), {
    exitCode: 69,
    mayPass: true,
    message:
      "NIC 'ens1f0' is held by guest 'plc-1' (PID 9): 0000:03:00.0 (ens1f0, a0:36:9f:00:00:00, vfio-pci); stop that VM, or wait for it with --wait SECONDS",
  })
  const all = [{ guest: 'plc-1', pid: 9, nics: FOUR_NICS.map(({ address }) => address), cpus: [] }]
  t.throws(() => planOf(NAMED, { config, pci: FOUR_NICS, held: all, options: ['--nic', 'line'] }), {
    exitCode: 69,
    mayPass: true,
    message:
      /^NIC pool 'line' has no free device: 0000:03:00.0 is taken by guest 'plc-1' \(PID 9\), .*; stop a VM or wait/,
  })
})

t.test('QEMU starts within its own cpuset, which libvirt makes for emulator threads', async (t) => {
  const emulator = (profile: string, startCpuset: string) =>
    threadsOf(profile, ['-smp', '2'], {
      cpus: cpusOf('0-7', { cpuset: set('0-7'), startCpuset: set(startCpuset) }),
    })
  t.match(
    emulator(FIFO, '1,7'),
    { affinity: '1,7', threads: { emulator: { cpus: '1,7' } } },
    'no key: as it is',
  )
  const key = `${FIFO}\nemulator = { cpus = "housekeeping" }`
  t.match(emulator(key, '1,7'), { affinity: '1', threads: { emulator: { cpus: '0-1' } }, warnings: [] })
  const away = emulator(key, '7')
  t.match(away, {
    affinity: null,
    warnings: [
      /^emulator threads cannot have CPU 0-1: the cpuset that QEMU is started in is 7 \(libvirt: <emulatorpin>, <vcpu cpuset>\): qemu-rt.toml:7; widen <emulatorpin>,/,
    ],
  })
  t.match(
    emulator(FIFO, '4'),
    { affinity: null, threads: { emulator: { cpus: '0-1' } } },
    'not beside a real-time vCPU',
  )
  t.throws(() => emulator(`${key}\nstrict = true`, '7'), {
    exitCode: 69,
    message: /^emulator threads cannot have/,
  })
})

const CONTEXT = ['-object', 'thread-context,id=tc1,cpu-affinity=6-7']

t.test('a thread context stays where the command line has it, unless the profile says', async (t) => {
  const vcpus = 'vcpus = { cpus = "4" }'
  const free = threadsOf(vcpus, CONTEXT, { cpus: cpusOf('0-7', { isolated: set('4-5') }) })
  t.strictSame([free.threads.contexts, free.warnings], [undefined, []])
  const isolated = threadsOf(vcpus, CONTEXT, { cpus: cpusOf('0-7', { isolated: set('4-6') }) })
  t.strictSame(isolated.warnings, [
    "thread context 'tc1' may run on CPU 6, which is isolated: guest RAM is preallocated there; give it other CPUs with cpu-affinity",
  ])
  const json = ['-object', '{"qom-type":"thread-context","id":"tc1","cpu-affinity":[1,6]}']
  t.match(threadsOf(vcpus, json, { cpus: cpusOf('0-7', { isolated: set('4-6') }) }).warnings, [/on CPU 6,/])
  const held = [{ guest: 'plc-1', pid: 0, nics: [], cpus: set('7') }]
  t.strictSame(threadsOf(vcpus, CONTEXT, { held }).warnings, [
    "thread context 'tc1' may run on CPU 7, which guest 'plc-1' holds",
  ])
  const named = threadsOf(`${vcpus}\nthread-contexts = { cpus = "housekeeping" }`, CONTEXT, { held })
  t.strictSame([named.threads.contexts, named.warnings], [{ cpus: '0-1' }, []])
  const realtime = 'vcpus = { cpus = "4", policy = "fifo" }'
  t.throws(() => threadsOf(`${realtime}\nthread-contexts = { cpus = "4" }`, CONTEXT), {
    message: /vCPU 0 at fifo 1 would share CPU 4 with thread contexts/,
  })
})

t.test('the plan knows the threads that QEMU cannot name, in the order of their making', async (t) => {
  const objects = [
    'iothread,id=iothread-virtio1',
    'iothread,id=twelve-bytes',
    'thread-context,id=thread-context',
    'memory-backend-ram,id=ram-with-a-long-id,size=1M',
    '{"qom-type":"iothread","id":"thirteen-byte"}',
  ].flatMap((object) => ['-object', object])
  t.strictSame(threadsOf('iothreads = { cpus = "1" }', objects).threads.unnamed, [
    { type: 'thread-context', id: 'thread-context' },
    { type: 'iothread', id: 'iothread-virtio1' },
    { type: 'iothread', id: 'thirteen-byte' },
  ])
})
