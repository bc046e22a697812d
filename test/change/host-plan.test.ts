import t from 'tap'
import { planHost, SYSCTL_FILE, UNIT_FILE } from '../../src/change/host/plan.js'
import type { ThreadFact } from '../../src/host/check/facts.js'
import { type Change, changed } from '../checks/ready.js'

const plan = (change: Change, launcher: string | null = '/usr/bin/qemu-rt') =>
  planHost({ subject: changed(change), launcher, config: null, signs: new Set() })

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

t.test('CPUs that are neither real-time nor of the switch stay in masks and lists', async (t) => {
  const thread = (tid: number, cpus: readonly number[]): ThreadFact => ({
    ...{ pid: tid, tid, name: 'kswapd0', isKernels: true, isBound: false },
    ...{ policy: 'other', priority: 0, group: null, cpus },
  })
  const { runtime, files } = plan({
    subject: { configured: { housekeeping: [0], realtime: [3], switch: [2] } },
    threads: [thread(70, [0, 1, 2, 3]), thread(71, [3])],
    files: {
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
  t.match(files.find(({ path }) => path === SYSCTL_FILE)?.text, /^net\.core\.rps_default_mask = 3$/m)
})
