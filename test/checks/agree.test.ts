import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { thread } from '../../fixtures/make-hosts/check-host.js'
import type { Subject } from '../../src/checks/check.js'
import {
  KERNEL_THREADS,
  keptWaiting,
  kernelThreadOf,
  kernelThreadText,
  rankOf,
} from '../../src/checks/judge/kernel-threads.js'
import { type Result, runChecks } from '../../src/checks/run.js'
import { prioritiesToRaise } from '../../src/checks/threads.js'
import { readSubject } from '../../src/commands/host/subject.js'
import { type Finding, isBad } from '../../src/errors/finding.js'
import { UserError } from '../../src/errors/user-error.js'
import type { PciDevice } from '../../src/host/facts.js'
import { readHostFacts } from '../../src/host/read.js'
import { causesOfJitter } from '../../src/jitter/explain.js'
import { readExplainedHost } from '../../src/jitter/explained-host.js'
import { obstacles } from '../../src/plan/nics/readiness.js'
import { causeOf } from '../../src/tune/explain.js'
import { NAMED, planOf, withNic } from '../plan/make.js'
import { UNSET } from '../tune/thread.js'

/*
 * A fact of a host is judged in several rooms: by `host check`, by a plan that warns or refuses, by jitter and tune, which
 * look for causes, and by `nics show`. They must say the same of the same host.
 */

const CONFIG = `
[host]
housekeeping = "0-1"
realtime = "2-3"
[profile.rt]
vcpus = { cpus = "3", policy = "fifo", priority = 1 }
emulator = { cpus = "0-1" }
`

const KERNELS = ['6.1.0-13-rt-amd64', '6.12.0-rt-amd64', '7.2.13-rt-amd64']

const CPU = '/sys/devices/system/cpu'
const ISOLATED = `${CPU}/isolated`
const GROUPS = '/sys/fs/cgroup/cpuset.cpus.isolated'
const RUNTIME = '/proc/sys/kernel/sched_rt_runtime_us'
const served = (cpu: number) => `/sys/kernel/debug/sched/fair_server/cpu${cpu}/runtime`

/** Files that differ from those of the host that is ready; null for one that is not there. */
type Files = Readonly<Record<string, string | null>>

interface Rooms {
  readonly check: (id: string) => Result
  /** Warnings of a plan. */
  readonly plan: readonly Finding[]
  readonly jitter: readonly Finding[]
}

/** Where the process that plans is: partitions are looked for there. */
const OWN_GROUP: Files = {
  '/proc/self/mountinfo': '25 1 0:23 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n',
  '/proc/self/cgroup': '0::/machine.slice/a.scope\n',
}

function hostWith(t: Test, files: Files, config: string) {
  const sysroot = join(t.testdir({}), 'host')
  cpSync('fixtures/hosts/check-ready', sysroot, { recursive: true })
  for (const [path, text] of Object.entries({ ...OWN_GROUP, ...files })) {
    mkdirSync(dirname(sysroot + path), { recursive: true })
    if (text === null) rmSync(sysroot + path, { force: true })
    else writeFileSync(sysroot + path, text)
  }
  const place = join(sysroot, '../qemu-rt.toml')
  writeFileSync(place, config)
  return { sysroot, config: place }
}

function resultOf(results: readonly Result[], id: string): Result {
  const found = results.find((one) => one.id === id)
  if (found === undefined) throw new Error(`there is no check ${id}`)
  return found
}

async function roomsOf(
  t: Test,
  files: Files,
  change: (subject: Subject) => Subject = (same) => same,
  text = CONFIG,
) {
  const { sysroot, config } = hostWith(t, files, text)
  const results = runChecks(change(await readSubject({ sysroot, config })))
  const { cpus } = readHostFacts(sysroot)
  const vcpu = { cpus: [3], policy: 'fifo', priority: 1 } as const
  const rooms: Rooms = {
    check: (id) => resultOf(results, id),
    plan: planOf([...NAMED], { config: text, options: ['--profile', 'rt'], cpus }).warnings,
    jitter: causesOfJitter({
      accelerator: 'kvm',
      worstMicroseconds: 5000,
      vcpu,
      ...readExplainedHost(sysroot, vcpu),
    }),
  }
  return rooms
}

const kernel = (release: string, groups: boolean | null): Files => ({
  '/proc/sys/kernel/osrelease': release,
  '/boot/config-6.12.0-rt-amd64': null,
  [`/boot/config-${release}`]:
    groups === null ? null : `CONFIG_RT_GROUP_SCHED=${groups ? 'y' : 'n'}\nCONFIG_PREEMPT_RT=y\n`,
})

/** A shared fact, the check that it has, and the rooms that judge it besides. */
interface Fact {
  readonly name: string
  readonly id: string
  readonly files: Files
  /** By kernel. */
  readonly levels: readonly Result['level'][]
  readonly groups?: boolean | null
  readonly rooms: readonly ('plan' | 'jitter')[]
  /** What all of them advise. */
  readonly advice?: RegExp
}

const FACTS: readonly Fact[] = [
  {
    name: 'a limit for real-time threads, without groups',
    id: 'sched.rt-throttling',
    files: { [RUNTIME]: '950000' },
    groups: false,
    levels: ['fail', 'note', 'note'],
    rooms: ['plan', 'jitter'],
    advice: /^run as root: sysctl -w kernel\.sched_rt_runtime_us=-1; to keep it, /,
  },
  {
    name: 'a limit, with groups',
    id: 'sched.rt-throttling',
    files: { [RUNTIME]: '950000' },
    groups: true,
    levels: ['fail', 'fail', 'fail'],
    rooms: ['plan', 'jitter'],
    advice: /^run as root: sysctl -w /,
  },
  {
    name: 'a limit, and groups that are turned off at boot',
    id: 'sched.rt-throttling',
    files: { [RUNTIME]: '950000', '/proc/cmdline': 'nohz_full=2-3 rt_group_sched=0' },
    groups: true,
    levels: ['fail', 'note', 'note'],
    rooms: ['plan', 'jitter'],
  },
  {
    name: 'a limit, and nobody says whether there are groups',
    id: 'sched.rt-throttling',
    files: { [RUNTIME]: '950000' },
    groups: null,
    levels: ['fail', 'warn', 'warn'],
    rooms: ['plan', 'jitter'],
  },
  {
    name: 'no limit',
    id: 'sched.rt-throttling',
    files: { [RUNTIME]: '-1' },
    levels: ['pass', 'pass', 'pass'],
    rooms: ['plan', 'jitter'],
  },
  {
    name: 'no isolated CPU',
    id: 'cpu.isolated',
    files: { [ISOLATED]: '', [GROUPS]: '', '/proc/cmdline': '' },
    levels: ['fail', 'fail', 'fail'],
    rooms: ['plan', 'jitter'],
    advice: /^boot with isolcpus=managed_irq,domain,(2-)?3( |,|$)/,
  },
  {
    name: 'one that is isolated at boot, and one that is not',
    id: 'cpu.isolated',
    files: { [ISOLATED]: '2', [GROUPS]: '', '/proc/cmdline': 'isolcpus=managed_irq,domain,2' },
    levels: ['fail', 'fail', 'fail'],
    rooms: ['plan', 'jitter'],
    advice: /^boot with isolcpus=managed_irq,domain,2-3( |$)/,
  },
  {
    name: 'one that a partition isolates, and one that is not isolated',
    id: 'cpu.isolated',
    files: { [ISOLATED]: '', [GROUPS]: '2', '/proc/cmdline': '' },
    levels: ['fail', 'fail', 'fail'],
    rooms: ['plan', 'jitter'],
    advice: /^add CPU 3 to the cgroup partition that isolates CPUs 2, or choose among these$/,
  },
  {
    name: 'a partition right below the root group, on a kernel that has no list of them',
    id: 'cpu.isolated',
    files: {
      [ISOLATED]: '',
      [GROUPS]: null,
      '/sys/fs/cgroup/rt/cpuset.cpus.partition': 'isolated',
      '/sys/fs/cgroup/rt/cpuset.cpus.effective': '2-3',
      '/proc/cmdline': '',
    },
    levels: ['pass', 'pass', 'pass'],
    rooms: ['plan', 'jitter'],
  },
  {
    name: 'one that is invalid',
    id: 'cpu.isolated',
    files: {
      [ISOLATED]: '',
      [GROUPS]: null,
      '/sys/fs/cgroup/rt/cpuset.cpus.partition': 'isolated invalid (Cpu list in cpuset.cpus not exclusive)',
      '/sys/fs/cgroup/rt/cpuset.cpus.effective': '2-3',
      '/proc/cmdline': '',
    },
    levels: ['fail', 'fail', 'fail'],
    rooms: ['plan', 'jitter'],
  },
  {
    name: 'partitions for both',
    id: 'cpu.isolated',
    files: { [ISOLATED]: '', [GROUPS]: '2-3', '/proc/cmdline': '' },
    levels: ['pass', 'pass', 'pass'],
    rooms: ['plan', 'jitter'],
  },
  {
    name: 'the tick on one',
    id: 'boot.nohz-full',
    files: { [`${CPU}/nohz_full`]: '2', '/proc/cmdline': 'nohz_full=2' },
    levels: ['warn', 'warn', 'warn'],
    rooms: ['jitter'],
    advice: /^boot with nohz_full=2-3( |$)/,
  },
  {
    name: 'the tick on both, written as the kernel writes it',
    id: 'boot.nohz-full',
    files: { [`${CPU}/nohz_full`]: ' (null)', '/proc/cmdline': '' },
    levels: ['warn', 'warn', 'warn'],
    rooms: ['jitter'],
  },
  {
    name: 'nohz_full= for a kernel that does not know it',
    id: 'boot.nohz-full',
    files: { [`${CPU}/nohz_full`]: null, '/proc/cmdline': 'nohz_full=2-3' },
    levels: ['warn', 'warn', 'warn'],
    rooms: ['jitter'],
  },
  {
    name: 'PREEMPT_RT by the version alone, as mainline has it',
    id: 'kernel.preempt-rt',
    files: { '/proc/version': 'Linux version 6.12.0 #1 SMP PREEMPT_RT' },
    levels: ['pass', 'pass', 'pass'],
    rooms: ['jitter'],
  },
  {
    name: 'PREEMPT_DYNAMIC',
    id: 'kernel.preempt-rt',
    files: { '/proc/version': 'Linux version 6.12.0 #1 SMP PREEMPT_DYNAMIC' },
    levels: ['fail', 'fail', 'fail'],
    rooms: ['jitter'],
    advice: /^install a real-time kernel and boot it /,
  },
]

for (const fact of FACTS) {
  t.test(`${fact.name}: ${['host check', ...fact.rooms].join(', ')} agree`, async (t) => {
    for (const [index, release] of KERNELS.entries()) {
      const rooms = await roomsOf(t, {
        ...kernel(release, fact.groups === undefined ? false : fact.groups),
        ...fact.files,
      })
      const result = rooms.check(fact.id)
      t.equal(result.level, fact.levels[index], `${release}: host check: ${result.what}`)
      for (const room of fact.rooms) {
        const own = rooms[room].filter(({ id }) => id === fact.id)
        t.equal(own.length, isBad(result) ? 1 : 0, `${release}: ${room} speaks of it, or not`)
        for (const finding of own) {
          t.equal(finding.level, result.level, `${release}: ${room}`)
          if (fact.advice !== undefined) t.match(finding.todo, fact.advice, `${release}: ${room}`)
        }
      }
      if (fact.advice !== undefined && isBad(result)) t.match(result.todo, fact.advice, release)
    }
  })
}

t.test('the same isolcpus= is advised by a check and by a plan: for real-time and switch CPUs', async (t) => {
  const files = { [ISOLATED]: '', [GROUPS]: '', '/proc/cmdline': '' }
  const text = CONFIG.replace('"0-1"', '"0"').replace('realtime = "2-3"', 'realtime = "2-3"\nswitch = "1"')
  const rooms = await roomsOf(t, files, (same) => same, text.replace('cpus = "0-1"', 'cpus = "0"'))
  const advice = /^boot with isolcpus=managed_irq,domain,1-3( |,|$)/
  t.match(rooms.check('cpu.isolated').todo, advice)
  t.match(rooms.check('boot.managed-irq').todo, advice)
  t.match(rooms.plan.find(({ id }) => id === 'cpu.isolated')?.todo, advice)
})

t.test(
  'one isolcpus= is advised for isolation and for managed interrupts, with the flags that are there',
  async (t) => {
    const rooms = await roomsOf(t, {
      [ISOLATED]: '2',
      [GROUPS]: '',
      '/proc/cmdline': 'isolcpus=nohz,domain,2',
    })
    const there = ' in place of isolcpus=nohz,domain,2'
    for (const id of ['cpu.isolated', 'boot.managed-irq'])
      t.match(rooms.check(id).todo, `boot with isolcpus=managed_irq,nohz,domain,2-3${there}`, id)
  },
)

t.test('the fair server: jitter speaks of it where host check finds it on, or cannot tell', async (t) => {
  const loose = { [ISOLATED]: '', [GROUPS]: '', '/proc/cmdline': '' }
  const cases: readonly (readonly [
    release: string,
    runtime: string | null,
    level: Finding['level'],
    told: boolean,
  ])[] = [
    ['6.1.0-13-rt-amd64', null, 'pass', false],
    ['6.12.0-rt-amd64', '0', 'pass', false],
    ['6.12.0-rt-amd64', '50000000', 'warn', true],
    ['7.2.13-rt-amd64', '0', 'pass', false],
    ['7.2.13-rt-amd64', '50000000', 'warn', true],
    ['7.2.13-rt-amd64', null, 'unknown', true],
  ]
  for (const [release, runtime, level, told] of cases) {
    const files = Object.fromEntries([2, 3].map((cpu) => [served(cpu), runtime]))
    const rooms = await roomsOf(t, { ...loose, ...kernel(release, false), ...files })
    t.equal(rooms.check('sched.fair-server').level, level, `${release}, ${runtime}`)
    const [cause] = rooms.jitter.filter(({ id }) => id === 'cpu.isolated')
    t.equal(/50 ms of each second/.test(cause?.where ?? ''), told, `${release}, ${runtime}`)
  }
})

t.test('huge pages: host check and the plan that is refused give one advice', async (t) => {
  for (const [size, kib] of [
    ['1G', 1048576],
    ['2M', 2048],
  ] as const) {
    const config = `${CONFIG}hugepages = "${size}"\n`
    const pool = `/sys/kernel/mm/hugepages/hugepages-${kib}kB`
    const none = { [`${pool}/nr_hugepages`]: '0', [`${pool}/free_hugepages`]: '0' }
    const missing = { '/sys/kernel/mm/hugepages': null }
    for (const files of [none, missing]) {
      const host = hostWith(t, files === none ? none : {}, config)
      if (files === missing) rmSync(`${host.sysroot}/sys/kernel/mm/hugepages`, { recursive: true })
      const [result] = runChecks(await readSubject(host)).filter(({ id }) => id === 'memory.hugepages')
      const facts = readHostFacts(host.sysroot)
      const refusal = refusalOf(() =>
        planOf([...NAMED, '-m', '2G'], {
          config,
          options: ['--profile', 'rt'],
          cpus: facts.cpus,
          hugePages: facts.hugePages,
        }),
      )
      if (result?.level === 'unknown') continue
      t.equal(result?.level, 'fail', size)
      t.ok(refusal.includes(result?.todo ?? '?'), `${size}: ${result?.todo}: ${refusal}`)
    }
  }
})

function refusalOf(plan: () => unknown): string {
  try {
    plan()
  } catch (error) {
    if (error instanceof UserError) return error.message
    throw error
  }
  return 'it was planned'
}

t.test(
  'limits: host check and tune fail for the same limits, host check and plan ask for the same',
  async (t) => {
    const { sysroot, config } = hostWith(
      t,
      {},
      `${CONFIG.replace('priority = 1', 'priority = 5')}lock-memory = true\n`,
    )
    const subject = await readSubject({ sysroot, config })
    for (const limit of [0, 4, 5, 99, 'unlimited'] as const) {
      const daemons = [{ name: 'libvirtd', realtimePriority: limit, lockedMemory: 'unlimited' as const }]
      const [result] = runChecks({ ...subject, facts: { ...subject.facts, daemons } }).filter(
        ({ id }) => id === 'install.daemon-limits',
      )
      const cause = causeOf(
        {
          aspect: 'policy',
          reason: 'EPERM',
          message: '',
          deviation: {
            thread: UNSET,
            role: { kind: 'vcpu', vcpu: 0 },
            setting: { cpus: [3], policy: 'fifo', priority: 5 },
            differs: ['policy'],
          },
        },
        { mayNice: false, isOwn: true, realtimeLimit: limit, realtime: null, cpuset: null, online: [3] },
      )
      t.equal(cause.id === 'install.daemon-limits', result?.level === 'warn', `${limit}`)
      if (result?.level === 'warn') {
        t.match(result.todo, '"LimitRTPRIO=99"')
        t.match(cause.todo, 'LimitRTPRIO=99 ')
      }
    }
    const daemons = [{ name: 'libvirtd', realtimePriority: 99, lockedMemory: 65536 }]
    const [locked] = runChecks({ ...subject, facts: { ...subject.facts, daemons } }).filter(
      ({ id }) => id === 'install.daemon-limits',
    )
    t.match(locked?.todo, '"LimitMEMLOCK=infinity"')
    const locking = `${CONFIG}lock-memory = true\n`
    t.match(
      refusalOf(() =>
        planOf([...NAMED, '-m', '2G'], {
          config: locking,
          options: ['--profile', 'rt'],
          memoryLockLimit: 65536n,
        }),
      ),
      'set LimitMEMLOCK=infinity for',
    )
  },
)

t.test('an IOMMU: host check and nics show', async (t) => {
  const nic = { name: 'fieldbus0', error: null, nodes: [0], obstacles: [] }
  const group = '/sys/kernel/iommu_groups/1'
  const node = { path: '/dev/vfio/noiommu-0', access: 'ok' } as const
  const devices: readonly (readonly [Files, Partial<PciDevice>])[] = [
    [{ [`${group}/type`]: null }, { iommuGroup: null }],
    [
      { [`${group}/type`]: 'unknown', [`${group}/name`]: 'vfio-noiommu' },
      { driver: 'vfio-pci', vfioNode: node },
    ],
  ]
  for (const [files, device] of devices) {
    const rooms = await roomsOf(t, files, (subject) => ({ ...subject, nics: [nic] }))
    const result = rooms.check('devices.iommu')
    const pci = withNic(0, device)
    const [one] = pci
    const found = one === undefined ? [] : obstacles(one, pci, () => [])
    const [obstacle] = found.filter(({ id }) => id === 'devices.iommu')
    t.equal(result.level, 'fail', result.what)
    t.equal(obstacle?.level, 'fail')
    t.ok(obstacle?.todo.startsWith(result.todo ?? '?'), `${obstacle?.todo}`)
  }
})

t.test(
  "the kernel's own threads: host check, host apply and a plan find the same ones waiting",
  async (t) => {
    const threads: readonly [
      name: string,
      policy: 'other' | 'fifo' | 'rr' | 'deadline',
      priority: number,
      waits: boolean,
    ][] = [
      ['ksoftirqd/3', 'other', 0, true],
      ['ktimers/3', 'fifo', 1, true],
      ['rcuc/3', 'rr', 1, true],
      ['rcuc/3', 'fifo', 2, false],
      ['rcub/0', 'fifo', 1, true],
      ['rcub/0', 'deadline', 0, false],
      ['ksoftirqd/0', 'other', 0, false],
      ['rcu_preempt', 'other', 0, false],
      ['ksoftirqd/', 'other', 0, false],
    ]
    const { facts, sets, ...subject } = await readSubject(hostWith(t, {}, CONFIG))
    for (const [name, policy, priority, waits] of threads) {
      const what = `${name} ${policy} ${priority}`
      const one = { ...thread(70, name, /\/(\d)/.exec(name)?.[1] ?? '0-3'), policy, priority }
      const host: Subject = { ...subject, sets, facts: { ...facts, threads: [one] } }
      const missed = runChecks(host).filter(({ id, level }) => /^threads\./.test(id) && level === 'warn')
      t.equal(missed.length, waits ? 1 : 0, `${what}: host check`)
      t.equal(
        KERNEL_THREADS.flatMap(({ id }) => prioritiesToRaise(id, host)).length,
        waits ? 1 : 0,
        `${what}: host apply`,
      )
      const known = kernelThreadOf(name)
      const seen = known === null ? [] : [{ name, cpu: known.cpu, priority: rankOf(one) }]
      const warned = keptWaiting(seen, [{ cpus: [3], priority: 1 }])
      t.equal(warned.length, waits ? 1 : 0, `${what}: a plan`)
      if (waits) t.match(missed[0]?.what, kernelThreadText({ name, priority: rankOf(one) }))
    }
  },
)
