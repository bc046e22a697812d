import t from 'tap'
import { findGroup } from '../../src/host/cgroup.js'
import { readHostFacts } from '../../src/host/read.js'
import { type Files, madeHost } from './made-host.js'

const V1 = [
  '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
  '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
  '34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime shared:9 - cgroup cgroup rw,cpuset',
].join('\n')
const V2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate'

t.test('a group of cgroup v1, of v2, and of a part that a container has mounted', async (t) => {
  const v1 = '12:cpuset:/machine/qemu-1/emulator\n4:cpu,cpuacct:/machine\n0::/x\n'
  t.strictSame(findGroup('cpuset', v1, V1), {
    version: 1,
    mountPoint: '/sys/fs/cgroup/cpuset',
    path: '/machine/qemu-1/emulator',
  })
  t.strictSame(findGroup('cpu', v1, V1), {
    version: 1,
    mountPoint: '/sys/fs/cgroup/cpu,cpuacct',
    path: '/machine',
  })
  t.strictSame(findGroup('cpuset', '0::/a.scope\n', V2), {
    version: 2,
    mountPoint: '/sys/fs/cgroup',
    path: '/a.scope',
  })
  t.strictSame(findGroup('cpuset', '0::/\n', V2)?.path, '')
  const part = '34 31 0:31 /docker/1 /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset'
  t.equal(findGroup('cpuset', '3:cpuset:/docker/1/a', part)?.path, '/a')
  t.equal(findGroup('cpuset', v1, ''), null)
  t.equal(findGroup('cpuset', '', V1), null)
})

const cpus = (t: Parameters<typeof madeHost>[0], files: Files) =>
  readHostFacts(madeHost(t, { '/sys/devices/system/cpu/present': '0-7\n', '/sys/x': '', ...files }), {
    pci: false,
    cpus: true,
    topology: true,
    memory: false,
  }).cpus

t.test("the domain's group counts where libvirt has put the emulator in a group of its own", async (t) => {
  const group = '/sys/fs/cgroup/machine.slice/vm.scope/libvirt'
  t.match(
    cpus(t, {
      '/proc/self/cgroup': '0::/machine.slice/vm.scope/libvirt/emulator\n',
      '/proc/self/mountinfo': V2,
      [`${group}/cpuset.cpus.effective`]: '2-5\n',
      [`${group}/emulator/cpuset.cpus.effective`]: '2\n',
    }),
    { cpuset: [2, 3, 4, 5], startCpuset: [2] },
  )
})

t.test('a group without the controller is limited by the one above', async (t) => {
  t.match(
    cpus(t, {
      '/proc/self/cgroup': '0::/a/b\n',
      '/proc/self/mountinfo': V2,
      '/sys/fs/cgroup/a/cpuset.cpus.effective': '1-3\n',
      '/sys/fs/cgroup/a/b/memory.max': 'max\n',
    }),
    { cpuset: [1, 2, 3] },
  )
  t.match(
    cpus(t, {
      '/proc/self/cgroup': '3:cpuset:/a\n',
      '/proc/self/mountinfo': V1,
      '/sys/fs/cgroup/cpuset/a/cpuset.cpus': '6-7\n',
    }),
    { cpuset: [6, 7] },
    'cgroup v1 before it had effective_cpus',
  )
  t.equal(cpus(t, {})?.cpuset, null, 'no cgroup at all')
})

t.test('how SMT is off is read where CPUs are offline', async (t) => {
  const smt = (control: string, online = '0-1') =>
    cpus(t, {
      '/sys/devices/system/cpu/present': '0-3\n',
      '/sys/devices/system/cpu/online': `${online}\n`,
      '/sys/devices/system/cpu/smt/control': `${control}\n`,
    })?.smt
  t.equal(smt('off'), 'off')
  t.equal(smt('forceoff'), 'forceoff')
  for (const other of ['on', 'notsupported', 'notimplemented', '1']) t.equal(smt(other), undefined, other)
  t.equal(smt('off', '0-3'), undefined, 'no CPU is offline')
})

t.test('online and isolated CPUs, cores, nodes and throttling', async (t) => {
  const core = (cpu: number, siblings: string) => [
    `/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`,
    `${siblings}\n`,
  ]
  t.strictSame(
    cpus(t, {
      '/sys/devices/system/cpu/present': '0-3\n',
      '/sys/devices/system/cpu/online': '0-2\n',
      '/sys/devices/system/cpu/isolated': '1-2\n',
      ...Object.fromEntries([core(0, '0,2'), core(1, '1,3')]),
      '/sys/devices/system/node/node0/cpulist': '0,2\n',
      '/sys/devices/system/node/node1/cpulist': '1,3\n',
      '/proc/sys/kernel/sched_rt_runtime_us': '-1\n',
    }),
    {
      present: [0, 1, 2, 3],
      online: [0, 1, 2],
      isolated: [1, 2],
      cpuset: null,
      startCpuset: null,
      siblings: { 0: [0, 2], 1: [1, 3], 2: [0, 2], 3: [1, 3] },
      nodes: { 0: [0, 2], 1: [1, 3] },
      realtimeRuntime: -1,
    },
  )
})
