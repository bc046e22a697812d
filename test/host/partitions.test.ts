import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { captureHost } from '../../src/capture/capture.js'
import { readCpus } from '../../src/host/cpus.js'
import type { HostCpus } from '../../src/host/facts.js'
import type { Root } from '../../src/host/sysroot.js'

const CGROUP = '/sys/fs/cgroup'
const BASE = {
  '/sys/devices/system/cpu/present': '0-7',
  '/sys/devices/system/cpu/isolated': '',
  '/proc/self/mountinfo': '25 1 0:23 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw',
  '/proc/self/cgroup': '0::/vm.slice/a.scope',
  [`${CGROUP}/cpuset.cpus.effective`]: '0-3',
}

const directory = mkdtempSync(join(tmpdir(), 'qemu-rt-partitions-'))
t.teardown(() => rmSync(directory, { recursive: true, force: true }))
let hosts = 0

/** Facts of a host with these files; null when a copy of the host says something else. */
function factsOf(files: Record<string, string>): HostCpus | null {
  const host = `${directory}/${hosts++}`
  for (const [path, text] of Object.entries({ ...BASE, ...files })) {
    mkdirSync(dirname(host + path), { recursive: true })
    writeFileSync(host + path, `${text}\n`)
  }
  const facts = readCpus(host as Root, true)
  captureHost(host as Root, `${host}-copy`, false)
  return isDeepStrictEqual(readCpus(`${host}-copy` as Root, true), facts) ? facts : null
}

t.test('isolated is what was booted so and what partitions isolate', async (t) => {
  const facts = factsOf({
    '/sys/devices/system/cpu/isolated': '2',
    [`${CGROUP}/cpuset.cpus.isolated`]: '4-7',
  })
  t.match(facts, { isolated: [2, 4, 5, 6, 7], isolatedByGroups: [4, 5, 6, 7] })
  const booted = factsOf({
    '/sys/devices/system/cpu/isolated': '2-3',
    [`${CGROUP}/cpuset.cpus.isolated`]: '2-3',
  })
  t.match(
    booted,
    { isolated: [2, 3], isolatedByGroups: undefined },
    'no group has isolated what was booted so',
  )
})

t.test('a kernel without the list of isolated CPUs says it of the groups above', async (t) => {
  const above = {
    [`${CGROUP}/vm.slice/cpuset.cpus.partition`]: 'isolated',
    [`${CGROUP}/vm.slice/cpuset.cpus.effective`]: '4-5',
  }
  t.match(factsOf(above), { isolated: [4, 5], cpuset: [4, 5] })
  const invalid = { ...above, [`${CGROUP}/vm.slice/cpuset.cpus.partition`]: 'isolated invalid (no CPUs)' }
  t.match(factsOf(invalid), { isolated: [] })
})

t.test('a partition that balances isolates nothing; others that have CPUs are known', async (t) => {
  const facts = factsOf({
    [`${CGROUP}/cpuset.cpus.isolated`]: '',
    [`${CGROUP}/rt.slice/cpuset.cpus.partition`]: 'root',
    [`${CGROUP}/rt.slice/cpuset.cpus.effective`]: '4-5',
    [`${CGROUP}/vm.slice/b.scope/cpuset.cpus.partition`]: 'isolated',
    [`${CGROUP}/vm.slice/b.scope/cpuset.cpus.exclusive.effective`]: '6-7',
  })
  t.match(facts, {
    isolated: [],
    cpuset: [0, 1, 2, 3],
    partitions: [
      { group: '/rt.slice', kind: 'root', cpus: [4, 5] },
      { group: '/vm.slice/b.scope', kind: 'isolated', cpus: [6, 7] },
    ],
  })
})

t.test("kinds of cores, and RCU's priority", async (t) => {
  const hybrid = factsOf({
    '/sys/devices/cpu_core/cpus': '0-3',
    '/sys/devices/cpu_atom/cpus': '4-7',
    '/proc/cmdline': 'root=/dev/sda1 rcutree.kthread_prio=1 quiet rcutree.kthread_prio=11',
  })
  t.match(hybrid, {
    coreKinds: [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ],
    rcuPriority: 11,
  })
  const capacity = (cpu: number) => (cpu < 4 ? '512' : '1024')
  const big = factsOf(
    Object.fromEntries(
      [0, 1, 2, 3, 4, 5, 6, 7].map((cpu) => [
        `/sys/devices/system/cpu/cpu${cpu}/cpu_capacity`,
        capacity(cpu),
      ]),
    ),
  )
  t.match(big, {
    coreKinds: [
      [4, 5, 6, 7],
      [0, 1, 2, 3],
    ],
  })
  t.equal(factsOf({ '/sys/devices/cpu_core/cpus': '0-7' })?.coreKinds, undefined)
  t.match(factsOf({ '/proc/cmdline': 'quiet' }), { rcuPriority: 'default' })
  t.notOk(factsOf({})?.rcuPriority)
})
