import t from 'tap'
import { planHost, SYSCTL_FILE, UNIT_FILE } from '../../src/change/host/plan.js'
import { planText } from '../../src/change/host/text.js'
import type { ThreadFact } from '../../src/host/check/facts.js'
import { type Change, changed } from '../checks/ready.js'

const plan = (change: Change, launcher: string | null = '/usr/bin/qemu-rt', hasSystemd = true) =>
  planHost({ subject: changed(change), launcher, config: null, signs: new Set(), hasSystemd })

const added = (line: string) => plan({ files: { '/proc/cmdline': line } }).commandLine.add

t.test('a host that is ready has nothing to set, and files that keep it so', async (t) => {
  const { runtime, files, commandLine } = plan({})
  t.strictSame(runtime, [])
  t.strictSame(commandLine.add, [])
  t.match(files.find(({ path }) => path === SYSCTL_FILE)?.text, /^kernel\.sched_rt_runtime_us = -1$/m)
})

t.test('values are compared as numbers and sets', async (t) => {
  const files = {
    '/proc/irq/default_smp_affinity': '00000000,00000003',
    '/proc/sys/vm/stat_interval': '0010',
    '/sys/devices/virtual/workqueue/cpumask': '0003',
  }
  t.strictSame(plan({ files }).runtime, [])
})

t.test("a value that is as good as what is wanted is somebody's choice", async (t) => {
  const { runtime, files } = plan({ files: { '/proc/sys/vm/swappiness': '1' } })
  t.strictSame(runtime, [])
  t.notMatch(files.find(({ path }) => path === SYSCTL_FILE)?.text, /swappiness/)
})

t.test('what cannot be read is not set', async (t) => {
  const { runtime, files } = plan({ hidden: { '/proc/sys/vm/stat_interval': 'EACCES' } })
  t.strictSame(runtime, [])
  t.notMatch(files.find(({ path }) => path === SYSCTL_FILE)?.text, /stat_interval/)
})

t.test('the fair server stays on as long as something else may run on real-time CPUs', async (t) => {
  const files = { '/sys/kernel/debug/sched/fair_server/cpu2/runtime': '50000000' }
  const ready = plan({ files })
  t.match(ready.runtime, [{ check: 'sched.fair-server', wanted: '0' }])
  const slice = { '/sys/fs/cgroup/system.slice/cpuset.cpus.effective': '0-3' }
  const { runtime, left } = plan({ files: { ...files, ...slice } })
  t.strictSame(runtime, [])
  t.match(left, [{ check: 'sched.fair-server', why: /not before isolation\.slices pass/ }])
})

t.test("parameters of the kernel's command line keep what others are isolated", async (t) => {
  t.strictSame(
    added('isolcpus=domain,managed_irq,1 nohz_full=all irqaffinity=0 skew_tick=1 tsc=reliable').filter(
      (text) => /^(isolcpus|nohz_full|irqaffinity|skew_tick|tsc)=/.test(text),
    ),
    ['isolcpus=managed_irq,domain,2-3'],
    'a housekeeping CPU is not isolated again',
  )
  const isolated = { '/sys/devices/system/cpu/isolated': '' }
  const { commandLine } = plan({ files: { ...isolated, '/proc/cmdline': 'isolcpus=nohz,4' } })
  t.ok(commandLine.add.includes('isolcpus=managed_irq,nohz,domain,2-4'), `${commandLine.add}`)
  t.ok(commandLine.remove.includes('isolcpus=nohz,4'))
})

t.test('without a launcher of root alone there is no unit, and that is said', async (t) => {
  const { files, left } = plan({}, null)
  t.notOk(files.some(({ path }) => path === UNIT_FILE))
  t.match(left, [{ check: 'at boot', why: /install\.sh/ }])
})

t.test('without systemd there is no unit, and what to run instead is said', async (t) => {
  const { files, left } = plan({}, '/usr/bin/qemu-rt', false)
  t.notOk(files.some(({ path }) => path === UNIT_FILE))
  t.match(left, [
    {
      check: 'at boot',
      why: /no systemd, so .*run "\/usr\/bin\/qemu-rt host apply --at-boot" as root before VMs start$/,
    },
  ])
})

t.test('CPUs that are neither real-time nor of the switch stay in masks and lists', async (t) => {
  const thread = (tid: number, cpus: readonly number[]): ThreadFact => ({
    ...{ pid: tid, tid, name: 'kswapd0', isKernels: true, isBound: false },
    ...{ policy: 'other', priority: 0, group: null, cpus },
  })
  const { runtime, files, commandLine } = plan({
    subject: { configured: { housekeeping: [0], realtime: [3], switch: [2] } },
    threads: [thread(70, [0, 1, 2, 3]), thread(71, [3])],
    files: {
      '/proc/cmdline': 'irqaffinity=1-3',
      '/proc/irq/default_smp_affinity': 'f',
      '/sys/devices/virtual/workqueue/cpumask': '8',
      '/proc/sys/net/core/rps_default_mask': 'f',
      '/proc/irq/24/effective_affinity_list': '3',
      '/proc/irq/24/smp_affinity_list': '1-3',
      '/sys/kernel/irq/24/actions': 'eth0',
    },
  })
  const wanted = Object.fromEntries(runtime.map(({ target, wanted }) => [target, wanted]))
  t.match(wanted, {
    '/proc/irq/default_smp_affinity': '3',
    '/sys/devices/virtual/workqueue/cpumask': '1',
    '/proc/sys/net/core/rps_default_mask': '3',
    '/proc/irq/24/smp_affinity_list': '1',
    '70': '0-1',
    '71': '0',
  })
  t.ok(commandLine.add.includes('irqaffinity=1'), `${commandLine.add}`)
  t.match(files.find(({ path }) => path === SYSCTL_FILE)?.text, /^net\.core\.rps_default_mask = 3$/m)
})

/** How a profile names a variable. */
const variable = (name: string) => `$\{${name}}`

/** A host whose tuned has these profiles active. */
const tuned = (active: string, profiles: Readonly<Record<string, string>>): Change => ({
  files: {
    '/etc/tuned/active_profile': `${active}\n`,
    '/run/tuned/tuned.pid': '700\n',
    '/proc/sys/vm/stat_interval': '1',
    '/proc/sys/vm/swappiness': '60',
    '/sys/devices/system/machinecheck/machinecheck2/ignore_ce': '0',
    ...Object.fromEntries(
      Object.entries(profiles).map(([name, text]) => [`${name}/tuned.conf`, text] as const),
    ),
  },
})

t.test("what tuned's active profile sets is left alone and said, however it comes to set it", async (t) => {
  const interval = '[sysctl]\nvm.stat_interval=1\n'
  const ways: readonly [what: string, active: string, profiles: Readonly<Record<string, string>>][] = [
    ['itself', 'site', { '/etc/tuned/site': interval }],
    [
      'by an include',
      'site',
      { '/etc/tuned/site': '[main]\ninclude=base\n', '/usr/lib/tuned/base': interval },
    ],
    [
      'by the second of several includes of an include',
      'site',
      {
        '/etc/tuned/profiles/site': '[main]\ninclude = a ; b # both\n',
        '/usr/lib/tuned/profiles/a': '[main]\nsummary=a\n',
        '/usr/lib/tuned/b': '[main]\ninclude=c\n',
        '/usr/lib/tuned/c': interval,
      },
    ],
    [
      'by an include that may be missing',
      'site',
      { '/etc/tuned/site': '[main]\ninclude=-none,-c\n', '/etc/tuned/c': interval },
    ],
    [
      'by the packaged profile of the same name',
      'site',
      { '/etc/tuned/site': '[main]\ninclude=site\n', '/usr/lib/tuned/site': interval },
    ],
    [
      'by a section of another name',
      'site',
      { '/etc/tuned/site': '[mine]\ntype=sysctl\nvm.stat_interval=1\n' },
    ],
    [
      'by an include with variables',
      'site',
      {
        '/etc/tuned/site': `[variables]\nkind=rt\nname = ${variable('kind')}-x # both\n[main]\ninclude=none, base-${variable('name')}\n`,
        '/etc/tuned/base-rt-x': interval,
      },
    ],
    [
      'by an include with a variable of another profile',
      'site',
      {
        '/etc/tuned/site': '[main]\ninclude=middle\n[variables]\nkind=rt\n',
        '/etc/tuned/middle': `[main]\ninclude=base-${variable('kind')}\n`,
        '/etc/tuned/base-rt': interval,
      },
    ],
    [
      'as one of two active ones',
      'base site',
      { '/etc/tuned/base': interval, '/etc/tuned/site': '[main]\n' },
    ],
  ]
  for (const [what, active, profiles] of ways) {
    const { runtime, files, left } = plan(tuned(active, profiles))
    const paths = runtime.map(({ target }) => target)
    t.notOk(paths.includes('/proc/sys/vm/stat_interval'), what)
    t.ok(paths.includes('/proc/sys/vm/swappiness'), 'the rest is set')
    t.notMatch(files.find(({ path }) => path === SYSCTL_FILE)?.text, /stat_interval/)
    t.match(left, [{ check: 'sched.vm-stat-interval', why: /tuned's profile '[\w-]+' owns it/ }], what)
  }
})

t.test(
  "an include of tuned's whose variables come from a file is followed, and one that is not known is said",
  async (t) => {
    const site = `[main]\ninclude=base-${variable('kind')}\n[variables]\ninclude=/etc/tuned/site-variables.conf\n`
    const change = tuned('site', {
      '/etc/tuned/site': site,
      '/etc/tuned/base-rt': '[sysctl]\nvm.stat_interval=1\n',
    })
    const ways: readonly [variables: string, isKnown: boolean][] = [
      ['# kind=x\nkind=rt\n', true],
      [`kind=${variable('f:exec:echo:rt')}\n`, false],
      ['other=rt\n', false],
      [`kind=\\${variable('x')}\n`, true],
    ]
    for (const [variables, isKnown] of ways) {
      const { left } = plan({ files: { ...change.files, '/etc/tuned/site-variables.conf': variables } })
      const said = left.find(({ check }) => check === 'tuned')
      if (isKnown) t.equal(said, undefined, variables)
      else
        t.match(
          said?.why,
          /^profile 'site' includes 'base-\$\{kind\}', and which profile that is is not known/,
        )
      const owned = left.some(({ check }) => check === 'sched.vm-stat-interval')
      t.equal(owned, variables.includes('kind=rt'), variables)
    }
  },
)

t.test('what needs the operator is named, a NOTE with advice, too', async (t) => {
  const { unmended } = plan({ hidden: {}, files: { '/proc/cmdline': '' } })
  const has = (some: typeof unmended, id: string) => some.some(({ check }) => check === id)
  t.ok(has(unmended, 'boot.audit'))
  const text = planText({ ...plan({}), unmended }, [])
  t.match(text, /as qemu-rt host check says:\n( {2}FAIL: .*\n)?( {2}WARN: .*\n)?( {2}NOTE: .*\n)?$/)
  t.match(text, / NOTE: .*boot\.audit/)
  const owners = { '/proc/irq/24/smp_affinity_list': { mode: 0o444 } }
  const fixed = plan({ files: { '/proc/irq/24/effective_affinity_list': '3' }, owners }).unmended
  t.notOk(has(fixed, 'irq.affinity'), 'nobody can move it')
  const log = plan({ facts: { kernelLog: ['sched: RT throttling activated'] } }).unmended
  t.ok(has(log, 'evidence.kernel-log'))
  const hugePages = [{ size: 1n << 30n, free: 0, surplus: 0, freeByNode: {} }]
  const none = plan({ subject: { hugePages } }).unmended
  t.ok(has(none, 'memory.hugepages'))
})

t.test('one file of those that a check looks at may be what tuned sets', async (t) => {
  const file = '/sys/devices/system/machinecheck/machinecheck2/ignore_ce'
  const { runtime, left } = plan(tuned('site', { '/etc/tuned/site': `[sysfs]\n${file}=0\n` }))
  t.notOk(runtime.some(({ target }) => target === file))
  t.match(left, [{ check: 'kernel.machine-check-polling' }])
})

t.test('a profile of tuned that is not active, or a tuned that does not run, owns nothing', async (t) => {
  const change = tuned('other', { '/etc/tuned/site': '[sysctl]\nvm.stat_interval=1\n' })
  const paths = ({ runtime }: ReturnType<typeof plan>) => runtime.map(({ target }) => target)
  t.ok(paths(plan(change)).includes('/proc/sys/vm/stat_interval'))
  const active = tuned('site', { '/etc/tuned/site': '[sysctl]\nvm.stat_interval=1\n' })
  const stopped = { files: { ...active.files, '/run/tuned/tuned.pid': null } }
  t.ok(paths(plan(stopped)).includes('/proc/sys/vm/stat_interval'))
})

/** A host with these lines in its files, whose vm.swappiness is as it comes. */
const sysctls = (files: Readonly<Record<string, string>>, now = '60') =>
  plan({ files: { '/proc/sys/vm/swappiness': now, ...files } })

t.test('what is set of a sysctl is what the next boot sets, too', async (t) => {
  const good = 'vm.swappiness = 5\n'
  const bad = 'vm.swappiness=70\n'
  type Expected = { readonly set: string | null; readonly line: boolean; readonly says: RegExp | null }
  const mine: Expected = { set: '10', line: true, says: null }
  const left = (file: string): Expected => ({
    ...{ set: '5', line: false },
    says: new RegExp(`^${file} sets vm\\.swappiness = 5 at each boot, which is as good: it is set now`),
  })
  const later = (file: string): Expected => ({
    ...{ set: null, line: false },
    says: new RegExp(
      `^${file} sets vm\\.swappiness = 70 .* read after the file of qemu-rt; take that line out`,
    ),
  })
  const ways: readonly [files: Readonly<Record<string, string>>, expected: Expected][] = [
    [{}, mine],
    [{ '/etc/sysctl.d/99-mine.conf': good }, left('/etc/sysctl.d/99-mine.conf')],
    [{ '/etc/sysctl.d/50-mine.conf': good }, left('/etc/sysctl.d/50-mine.conf')],
    [{ '/etc/sysctl.conf': `# mine\n-vm/swappiness=5` }, left('/etc/sysctl.conf')],
    [{ '/run/sysctl.d/10-x.conf': `vm.swap* = 5\n` }, left('/run/sysctl.d/10-x.conf')],
    [{ '/etc/sysctl.d/99-mine.conf': bad }, later('/etc/sysctl.d/99-mine.conf')],
    [{ '/etc/sysctl.conf': bad, '/etc/sysctl.d/99-mine.conf': good }, later('/etc/sysctl.conf')],
    [
      { '/etc/sysctl.d/99-a.conf': bad, '/usr/lib/sysctl.d/99-b.conf': good },
      left('/usr/lib/sysctl.d/99-b.conf'),
    ],
    // The first directory's file of a name counts, an empty one, too.
    [{ '/etc/sysctl.d/99-a.conf': '', '/usr/lib/sysctl.d/99-a.conf': bad }, mine],
    [
      {
        '/etc/sysctl.d/99-a.conf':
          '# vm.swappiness = 70\n; vm.swappiness = 70\nvm.swappiness_x = 70\n-vm.swappiness\n',
      },
      mine,
    ],
    [{ '/etc/sysctl.d/99-a.conf': `${bad}${good}` }, left('/etc/sysctl.d/99-a.conf')],
    [{ '/etc/sysctl.d/99-a.conf': `${good}vm.* = 70\n` }, left('/etc/sysctl.d/99-a.conf')],
    [{ '/etc/sysctl.d/91-qemu-rt.conf': bad, '/etc/sysctl.d/README': bad }, mine],
  ]
  for (const [files, { set, line, says }] of ways) {
    const what = JSON.stringify(files)
    const { runtime, files: written, left, overridden } = sysctls(files)
    t.equal(runtime.find(({ check }) => check === 'memory.swappiness')?.wanted ?? null, set, what)
    t.equal(/swappiness/.test(written.find(({ path }) => path === SYSCTL_FILE)?.text ?? ''), line, what)
    const why = left.find(({ check }) => check === 'memory.swappiness')?.why
    if (says === null) t.equal(why, undefined, what)
    else t.match(why, says, what)
    t.strictSame(overridden, [], what)
  }
})

t.test('a line of a file that is read before ours is overridden, and that is said', async (t) => {
  const { runtime, overridden } = sysctls({ '/etc/sysctl.d/50-mine.conf': 'vm.swappiness = 70' })
  t.match(runtime, [{ check: 'memory.swappiness', wanted: '10' }])
  t.strictSame(overridden, ['/etc/sysctl.d/50-mine.conf sets vm.swappiness = 70 at each boot'])
  t.strictSame(sysctls({ '/usr/lib/sysctl.d/50-x.conf': 'vm.swappiness = 70' }).overridden, [])
})

t.test('a value that is set already is not said to be set', async (t) => {
  const { runtime, left, files } = sysctls({ '/etc/sysctl.conf': 'vm.swappiness = 5' }, '10')
  t.strictSame(runtime, [])
  t.strictSame(left, [])
  t.notMatch(files.find(({ path }) => path === SYSCTL_FILE)?.text, /swappiness/)
  const later = sysctls({ '/etc/sysctl.conf': 'vm.swappiness = 70' }, '10')
  t.match(later.left, [{ check: 'memory.swappiness', why: /read after/ }], 'what the next boot undoes is')
})

t.test('masks of packet steering are left to others, too', async (t) => {
  const files = {
    '/proc/sys/net/core/rps_default_mask': 'f',
    '/etc/sysctl.d/99-x.conf': 'net.core.rps_default_mask = 1',
  }
  t.match(plan({ files }).runtime, [{ check: 'irq.packet-steering', wanted: '1' }])
})

t.test(
  'throttling stays while others run on real-time CPUs: it is what keeps these from being stopped',
  async (t) => {
    const id = 'sched.rt-throttling'
    const throttled = {
      '/proc/sys/kernel/sched_rt_runtime_us': '950000',
      '/proc/sys/kernel/osrelease': '6.1.0-rt',
    }
    const sets = (files: Readonly<Record<string, string>>) =>
      plan({ files }).runtime.some(({ check }) => check === id)
    t.ok(sets(throttled))
    t.notOk(
      sets({
        ...throttled,
        '/sys/devices/system/cpu/isolated': '',
        '/sys/fs/cgroup/cpuset.cpus.isolated': '',
      }),
    )
  },
)

t.test('what an earlier run has set until the next boot is wanted on the command line still', async (t) => {
  const RCU = 'rcupdate.rcu_normal_after_boot=1'
  const of = (line: string, version = '#1 SMP PREEMPT_DYNAMIC') =>
    plan({
      files: { '/proc/cmdline': line, '/sys/kernel/rcu_normal': '1', '/proc/version': version },
      hidden: { '/sys/kernel/realtime': 'ENOENT' },
    }).commandLine.add.includes(RCU)
  t.ok(of('quiet'))
  t.notOk(of(RCU))
  t.notOk(of('rcupdate.rcu_normal=1'))
  t.notOk(of('quiet', '#1 SMP PREEMPT_RT'), 'such a kernel is so by itself')
})
