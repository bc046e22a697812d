import t from 'tap'
import { readHostFacts } from '../../src/host/read.js'
import { madeHost } from './made-host.js'

const MEMORY = { pci: false, cpus: false, topology: false, memory: true, lockLimit: true }
const memory = (files: Record<string, string>) =>
  readHostFacts(madeHost(t, { '/sys/kernel/x': '', ...files }), MEMORY)

t.test('huge pages are counted by size and node, reserved ones taken off', async (t) => {
  const pool = '/sys/kernel/mm/hugepages'
  const node = '/sys/devices/system/node'
  const { hugePages } = memory({
    [`${pool}/hugepages-1048576kB/free_hugepages`]: '4\n',
    [`${pool}/hugepages-1048576kB/resv_hugepages`]: '1\n',
    [`${pool}/hugepages-2048kB/free_hugepages`]: '0\n',
    [`${pool}/hugepages-2048kB/nr_overcommit_hugepages`]: '8\n',
    [`${pool}/hugepages-2048kB/surplus_hugepages`]: '3\n',
    [`${node}/node0/hugepages/hugepages-1048576kB/free_hugepages`]: '3\n',
    [`${node}/node1/hugepages/hugepages-1048576kB/free_hugepages`]: '1\n',
  })
  t.strictSame(hugePages, [
    { size: 2n << 20n, free: 0, surplus: 5, freeByNode: {} },
    { size: 1n << 30n, free: 3, surplus: 0, freeByNode: { 0: 3, 1: 1 } },
  ])
  t.strictSame(memory({}).hugePages, [])
})

t.test('a control group, or one above it, limits the huge pages of this process', async (t) => {
  const limited = (files: Record<string, string>, cgroup = '0::/pods/one\n') =>
    memory({
      '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages': '99\n',
      '/sys/kernel/mm/hugepages/hugepages-64kB/free_hugepages': '99\n',
      '/proc/self/cgroup': cgroup,
      '/proc/self/mountinfo':
        '1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n1 1 0:2 / /cg/hugetlb rw - cgroup cgroup rw,hugetlb\n',
      ...files,
    }).hugePages?.map(({ groupLimit }) => groupLimit)
  const at = '/sys/fs/cgroup/pods'
  t.strictSame(limited({}), [undefined, undefined])
  t.strictSame(limited({ [`${at}/one/hugetlb.2MB.max`]: 'max\n' }), [undefined, undefined])
  t.strictSame(
    limited({
      [`${at}/hugetlb.2MB.max`]: `${10 << 21}\n`,
      [`${at}/hugetlb.2MB.current`]: `${4 << 21}\n`,
      [`${at}/one/hugetlb.2MB.max`]: `${9 << 21}\n`,
      [`${at}/one/hugetlb.64KB.rsvd.max`]: `${3 << 16}\n`,
      [`${at}/one/hugetlb.64KB.rsvd.current`]: `${5 << 16}\n`,
    }),
    [
      { left: 0, file: `${at}/one/hugetlb.64KB.rsvd.max` },
      { left: 6, file: `${at}/hugetlb.2MB.max` },
    ],
  )
  const v1 = limited({ '/cg/hugetlb/x/hugetlb.2MB.limit_in_bytes': `${2 << 21}\n` }, '5:hugetlb:/x\n0::/\n')
  t.strictSame(v1?.[1], { left: 2, file: '/cg/hugetlb/x/hugetlb.2MB.limit_in_bytes' })
})

t.test('nodes that memory may be taken from are this process’s own', async (t) => {
  const status = 'Name:\tnode\nMems_allowed:\t00000000,00000005\nMems_allowed_list:\t0,2\n'
  t.strictSame(memory({ '/proc/self/status': status }).memoryNodes, [0, 2])
  t.equal(memory({ '/proc/self/status': 'Name:\tnode\n' }).memoryNodes, null)
  t.equal(memory({}).memoryNodes, null, 'a captured host may not say')
  const root = madeHost(t, { '/sys/kernel/x': '', '/proc/self/status': status })
  t.equal(
    readHostFacts(root, { ...MEMORY, machines: true }).memoryNodes,
    null,
    'a machine of libvirt’s has its own',
  )
})

t.test('the limit on locked memory is this process’s own, unless it may lock any amount', async (t) => {
  const limits = (
    value: string,
  ) => `Limit                     Soft Limit           Hard Limit           Units     
Max locked memory         ${value.padEnd(20)} 8388608              bytes     
`
  const limit = (value: string, capabilities: string) =>
    memory({
      '/proc/self/limits': limits(value),
      '/proc/self/status': `Name:\tnode\nCapEff:\t${capabilities}\n`,
    }).memoryLockLimit
  t.equal(limit('8388608', '0000000000000000'), 8388608n)
  t.equal(limit('unlimited', '0000000000000000'), 'unlimited')
  t.equal(limit('8388608', '0000000000004000'), 'unlimited', 'CAP_IPC_LOCK')
  t.equal(memory({}).memoryLockLimit, null, 'a captured host does not say')
})

t.test(
  'limits of real-time threads are this process’s own, and CAP_SYS_NICE allows any priority',
  async (t) => {
    const limits = (priority: string, time: string, capabilities = '0') =>
      readHostFacts(
        madeHost(t, {
          '/sys/kernel/x': '',
          '/proc/self/limits': `Max realtime priority     ${priority.padEnd(20)} 99                   \nMax realtime timeout      ${time.padEnd(20)} unlimited            us        \n`,
          '/proc/self/status': `Name:\tnode\nCapEff:\t${capabilities}\n`,
        }),
        { realtimeLimits: true },
      ).realtimeLimits
    t.strictSame(limits('0', 'unlimited'), { priority: 0, time: 'unlimited' })
    t.strictSame(limits('unlimited', '200000'), { priority: 'unlimited', time: 200000 })
    t.strictSame(limits('0', '1', '0000000000800000'), { priority: 'unlimited', time: 1 })
    t.equal(readHostFacts(madeHost(t, { '/sys/x': '' }), { realtimeLimits: true }).realtimeLimits, null)
  },
)

t.test('this machine says what it has', { skip: process.platform !== 'linux' }, async (t) => {
  const { hugePages, memoryLockLimit } = readHostFacts('/', MEMORY)
  t.ok(Array.isArray(hugePages))
  t.not(memoryLockLimit, null)
})
