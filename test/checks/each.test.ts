import t from 'tap'
import { thread } from '../../fixtures/make-hosts/check-host.js'
import { count, runChecks } from '../../src/checks/run.js'
import { CHECKS } from '../../src/checks/table.js'
import type { CheckFacts, FileFact } from '../../src/host/check/facts.js'
import { changed, READY } from './ready.js'
import { CASES } from './verdicts.js'

const hidden: CheckFacts = {
  ...READY.facts,
  files: new Map(
    [...READY.facts.files].map(([path]): [string, FileFact] => [path, { text: null, why: 'EACCES' }]),
  ),
  owners: null,
  threads: null,
  whyNoThreads: 'not seen',
  kernelLog: null,
  whyNoLog: 'not read',
  daemons: [],
  kernelConfig: { text: null, why: 'EACCES' },
}

t.test('every check has a case for what it says when its value is missed', async (t) => {
  t.strictSame(
    Object.keys(CASES),
    CHECKS.map(({ id }) => id),
    'in the order of the table',
  )
  for (const { id, severity } of CHECKS) {
    t.ok(
      CASES[id]?.some(({ level }) => level === severity),
      `${id}: ${severity}`,
    )
  }
})

t.test('on a host that is ready nothing fails or warns', async (t) => {
  const results = runChecks(READY)
  t.strictSame(
    results
      .filter(({ level }) => level !== 'pass' && level !== 'note')
      .map(({ id, what }) => `${id}: ${what}`),
    [],
  )
  t.ok(count(results).note <= 6)
})

for (const check of CHECKS) {
  t.test(check.id, async (t) => {
    for (const { level, found, fix, ...change } of CASES[check.id] ?? []) {
      const [result] = runChecks(changed(change), [check])
      const what = `${level}: ${JSON.stringify(change, (_, value) => (typeof value === 'bigint' ? String(value) : value)).slice(0, 200)}`
      t.equal(result?.level, level, `${what}: ${result?.what}`)
      t.match(result?.what, found, what)
      if (fix === null) t.equal(result?.todo, null, what)
      else if (fix !== undefined) t.match(result?.todo, fix, what)
      if (level === 'pass' || level === 'unknown') t.equal(result?.todo, null, what)
      if (level === 'fail' || level === 'warn')
        t.ok((result?.todo ?? '') !== '' || check.fixedBy === null, `${what}: it says what to do`)
    }
  })
}

t.test('CPUs that [host] does not name stay where they are in every advice', async (t) => {
  const path = (name: string) => `/sys/fs/cgroup/${name}.slice/cpuset.cpus.effective`
  const subject = changed({
    subject: { configured: { housekeeping: [0], realtime: [3], switch: null } },
    moreThreads: [
      thread(70, 'kswapd0', '0-3'),
      thread(71, 'kswapd1', '2-3'),
      thread(700, 'cron', '0-3', { isKernels: false }),
    ],
    files: {
      '/proc/cmdline': 'irqaffinity=0,2-3',
      '/sys/devices/virtual/workqueue/cpumask': 'f',
      '/proc/irq/default_smp_affinity': 'e',
      '/proc/irq/24/effective_affinity_list': '3',
      '/proc/irq/24/smp_affinity_list': '1-3',
      '/proc/sys/net/core/rps_default_mask': 'a',
      [path('system')]: '0-3',
      [path('user')]: '1-3',
    },
  })
  const results = new Map(runChecks(subject).map(({ id, todo }) => [id, todo ?? '']))
  const wanted: readonly [id: string, fix: RegExp][] = [
    ['boot.irqaffinity', /irqaffinity=0,2$/],
    ['isolation.workqueues', /echo 7 >/],
    ['isolation.kernel-threads', /"0-3" .* taskset -cp 0-2 .*"2-3" .* taskset -cp 2 /],
    ['isolation.user-threads', /system\.slice AllowedCPUs=0-2,/],
    ['isolation.slices', /system\.slice AllowedCPUs=0-2; .*user\.slice AllowedCPUs=1-2$/],
    ['irq.default-affinity', /echo 6 >/],
    ['irq.affinity', /for i in 24; do echo 1-2 >/],
    ['irq.packet-steering', /rps_default_mask=2,/],
  ]
  for (const [id, fix] of wanted) t.match(results.get(id), fix, id)
  const unlimited = changed({
    subject: { configured: { housekeeping: [0], realtime: [3], switch: [2] } },
    files: { '/proc/cmdline': '', [path('system')]: null, [path('user')]: null },
  })
  const general = new Map(runChecks(unlimited).map(({ id, todo }) => [id, todo ?? '']))
  t.match(general.get('boot.irqaffinity'), /irqaffinity=0-1$/, 'without the CPUs of the switch')
  t.match(general.get('isolation.slices'), /AllowedCPUs=0-1; .*AllowedCPUs=0-1$/)
})

t.test('a fix of a sysctl names the line that undoes it at the next boot', async (t) => {
  const todo = (file: string, line: string) => {
    const subject = changed({ files: { '/proc/sys/vm/swappiness': '60', [file]: line } })
    return runChecks(subject).find(({ id }) => id === 'memory.swappiness')?.todo
  }
  const bad = 'vm.swappiness = 70\n'
  t.match(
    todo('/etc/sysctl.d/99-x.conf', bad),
    /90-qemu-rt\.conf, and take out its line in \/etc\/sysctl\.d\/99-x\.conf, which/,
  )
  t.match(todo('/etc/sysctl.conf', bad), /take out its line in \/etc\/sysctl\.conf/)
  for (const [file, line] of [
    ['/etc/sysctl.d/99-x.conf', 'vm.swappiness = 5\n'],
    ['/etc/sysctl.d/50-x.conf', bad],
    ['/etc/sysctl.d/90-qemu-rt.conf', bad],
  ] as const)
    t.match(todo(file, line), /90-qemu-rt\.conf$/, `${file} ${line}`)
})

/** They look at the configuration alone, or say nothing of the host. */
const OF_CONFIGURATION =
  /^(config\.(realtime|nics|nics-ready|nic-nodes|housekeeping-nodes|domains)|devices\.vfio|evidence\.hardware-latency)$/

t.test('what this user may not read is not known, and never passes', async (t) => {
  const results = runChecks({ ...READY, facts: hidden, hugePages: [] })
  for (const { id, level, what: found } of results) {
    if (OF_CONFIGURATION.test(id)) continue
    t.equal(level, 'unknown', `${id}: ${found}`)
    t.not(found, '', `${id} says why`)
  }
})

t.test('what a container does not show is not known either', async (t) => {
  const files = new Map(
    [...hidden.files].map(([path]): [string, FileFact] => [path, { text: null, why: 'ENOENT' }]),
  )
  const results = runChecks({ ...READY, facts: { ...hidden, files, owners: new Map() }, hugePages: [] })
  for (const { id, level, what: found } of results) {
    if (OF_CONFIGURATION.test(id)) continue
    t.equal(level, 'unknown', `${id}: ${found}`)
  }
})

t.test('without real-time CPUs what is about them is not known', async (t) => {
  const files = { '/sys/devices/system/cpu/isolated': '' }
  const configured = { housekeeping: null, realtime: null, switch: null }
  const results = runChecks(changed({ files, subject: { configured } }))
  for (const { id, isAboutRealtime } of CHECKS) {
    if (isAboutRealtime)
      t.match(
        results.find((one) => one.id === id),
        { level: 'unknown', what: /config\.realtime/ },
      )
  }
})

t.test('ids are readable, unique and stay within their group', async (t) => {
  const ids = CHECKS.map(({ id }) => id)
  t.strictSame(ids, [...new Set(ids)])
  for (const id of ids) t.match(id, /^[a-z]+\.[a-z][a-z-]*$/)
})
