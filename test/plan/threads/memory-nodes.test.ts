import t from 'tap'
import { parseCpuSet } from '../../../src/units/cpu-set.js'
import { cpusOf, NAMED, planOf, warningsOf, withNic } from '../make.js'

const set = (text: string) => parseCpuSet(text) ?? []
const HOST = '[host]\nhousekeeping = "0,4"\nrealtime = "1-3,5-7"\n'
const GIB = 1024n ** 3n

const plan = (args: readonly string[], given: Parameters<typeof planOf>[1] & { profile?: string } = {}) => {
  const { profile = 'vcpus = { cpus = "auto" }', ...rest } = given
  return planOf([...NAMED, ...args], {
    cpus: cpusOf('0-7', { nodes: { 0: set('0-3'), 1: set('4-7') } }),
    ...rest,
    config: `${HOST}[profile.rt]\n${profile}`,
    options: ['--profile', 'rt', ...(rest.options ?? [])],
  })
}

const cpus = (made: ReturnType<typeof plan>) => made.threads?.vcpus.map((vcpu) => vcpu.cpus?.join())

const ram = (id: string, node: number) => [
  '-object',
  `memory-backend-ram,id=${id},size=1G,host-nodes=${node},policy=bind`,
]
const bound = (node: number) => ['-machine', 'q35,memory-backend=r', ...ram('r', node)]

t.test('vCPUs go where guest RAM is bound to, unless a NIC is elsewhere', async (t) => {
  t.strictSame(cpus(plan(['-smp', '2', ...bound(1)])), ['5', '6'])
  t.strictSame(warningsOf(plan(['-smp', '2', ...bound(1)])), [])
  const nic = { options: ['--nic', 'ens1f0'], pci: withNic(0, { numaNode: 0 }) }
  t.strictSame(cpus(plan(['-smp', '2', ...bound(1)], nic)), ['1', '2'])
})

t.test('devices that are named by their address count after the named NICs, and before memory', async (t) => {
  const device = (host: string) => ['-smp', '2', '-device', `vfio-pci,host=${host}`]
  const pci = withNic(0, { numaNode: 1 })
  const by = (host: string) => plan(device(host), { pci })
  t.strictSame(cpus(by('nic:ens1f0')), ['5', '6'])
  t.strictSame(cpus(by('0000:03:00.0')), ['5', '6'])
  t.strictSame(cpus(by('03:00.0')), ['5', '6'])
  t.strictSame(warningsOf(by('0000:03:00.0')), [])
  t.strictSame(cpus(plan([...device('0000:03:00.0'), ...bound(0)], { pci })), ['5', '6'])
  const named = plan(device('0000:03:00.0'), { pci, options: ['--nic', 'ens1f1'] })
  t.strictSame(cpus(named), ['1', '2'])
  t.strictSame(warningsOf(named), [
    'vCPUs are on NUMA node 0, device 0000:03:00.0 is on NUMA node 1: its interrupts and DMA cross nodes',
  ])
  const elsewhere = plan(device('0000:03:00.0'), { pci, profile: 'vcpus = { cpus = "1-2" }' })
  t.strictSame(warningsOf(elsewhere), [
    'vCPUs are on NUMA node 0, device 0000:03:00.0 is on NUMA node 1: its interrupts and DMA cross nodes',
  ])
})

t.test('vCPUs go where huge pages are, and a node with too few is a warning', async (t) => {
  const pool = (freeByNode: Record<number, number>) => ({
    profile: 'vcpus = { cpus = "auto" }\nhugepages = "1G"',
    hugePages: [{ size: GIB, free: 8, surplus: 0, freeByNode }],
  })
  const args = ['-machine', 'q35', '-m', '4G', '-smp', '2']
  const only = plan(args, pool({ 0: 0, 1: 8 }))
  t.strictSame(cpus(only), ['5', '6'])
  t.strictSame(warningsOf(only), [])
  t.strictSame(cpus(plan(args, pool({ 0: 4, 1: 4 }))), ['1', '2'])
  const named = pool({ 0: 1, 1: 7 })
  t.strictSame(warningsOf(plan(args, { ...named, profile: 'vcpus = { cpus = "1-2" }\nhugepages = "1G"' })), [
    'vCPUs are on NUMA node 0, where 1 of 4 huge pages of 1 GiB for guest RAM are free: the others come from another node, which every access to them crosses to',
  ])
})

t.test('with CPUs on no preferred node, or too few there, the nearest node comes next', async (t) => {
  const nodes = { 0: set('0-3'), 1: set('4-7'), 2: set('8-11'), 3: set('12-15') }
  const distances = { 0: [10, 12, 21, 21], 1: [12, 10, 21, 21], 2: [21, 21, 10, 12], 3: [21, 21, 12, 10] }
  const far = cpusOf('0-15', { nodes, distances })
  const config = '[host]\nhousekeeping = "0"\nrealtime = "1-15"\n[profile.rt]\nvcpus = { cpus = "auto" }'
  const near = (count: number, node: number, given: Parameters<typeof planOf>[1] = {}) =>
    cpus(
      planOf([...NAMED, '-smp', `${count}`, ...bound(node)], {
        cpus: far,
        config,
        options: ['--profile', 'rt'],
        ...given,
      }),
    )
  t.strictSame(near(5, 3), ['12', '13', '14', '15', '8'])
  t.strictSame(near(2, 3, { held: [{ guest: 'a', pid: 1, nics: [], cpus: set('12-15') }] }), ['8', '9'])
  const withoutCpus = { ...nodes, 3: set('8-15'), 2: [] }
  t.strictSame(near(2, 2, { cpus: { ...far, nodes: withoutCpus } }), ['8', '9'], 'memory that has no CPUs')
  const pages = [{ size: GIB, free: 8, surplus: 0, freeByNode: { 0: 2, 1: 2, 2: 2, 3: 0 } }]
  const beside = planOf([...NAMED, '-m', '1G'], {
    cpus: far,
    config: `${config}\nhugepages = "1G"`,
    hugePages: pages,
    pci: withNic(0, { numaNode: 3 }),
    options: ['--profile', 'rt', '--nic', 'ens1f0'],
    held: [{ guest: 'a', pid: 1, nics: [], cpus: set('12-15') }],
  })
  t.strictSame(cpus(beside), ['8'], 'of nodes with as many huge pages')
})

t.test('vCPUs go where the cpuset lets memory come from, else a warning', async (t) => {
  const args = ['-machine', 'q35', '-m', '1G', '-smp', '2']
  t.strictSame(cpus(plan(args, { memoryNodes: [1] })), ['5', '6'])
  t.strictSame(warningsOf(plan(args, { memoryNodes: [1] })), [])
  t.strictSame(cpus(plan(args, { memoryNodes: [0, 1] })), ['1', '2'])
  const named = { profile: 'vcpus = { cpus = "1-2" }', memoryNodes: [1] }
  t.strictSame(warningsOf(plan(args, named)), [
    'vCPUs are on NUMA node 0, and the cpuset takes guest RAM from NUMA node 1 alone: every access crosses nodes',
  ])
  const pages = {
    profile: 'vcpus = { cpus = "auto" }\nhugepages = "1G"',
    hugePages: [{ size: GIB, free: 8, surplus: 0, freeByNode: { 0: 4, 1: 4 } }],
  }
  t.strictSame(cpus(plan(args, { ...pages, memoryNodes: [1] })), ['5', '6'])
})

t.test("each of the guest's nodes has vCPUs where its memory is", async (t) => {
  const two = (first: number, second: number, rest: readonly string[]) => [
    ...['-machine', 'q35', '-m', '2G', '-smp', '4', ...ram('a', first), ...ram('b', second)],
    ...rest,
  ]
  const ranges = ['-numa', 'node,memdev=a,cpus=0,cpus=2', '-numa', 'node,memdev=b,cpus=1,cpus=3']
  t.strictSame(cpus(plan(two(0, 1, ranges))), ['1', '5', '2', '6'])
  t.strictSame(cpus(plan(two(1, 0, ranges))), ['5', '1', '6', '2'])
  t.strictSame(warningsOf(plan(two(1, 0, ranges))), [])
  const places = [
    ...['-numa', 'node,nodeid=0,memdev=a', '-numa', 'node,nodeid=1,memdev=b', '-smp', 'sockets=2,cores=2'],
    ...['-numa', 'cpu,node-id=1,socket-id=0', '-numa', 'cpu,node-id=0,socket-id=1'],
  ]
  t.strictSame(cpus(plan(two(0, 1, places))), ['5', '6', '1', '2'])
  const clusters = [
    ...['-numa', 'node,nodeid=0,memdev=a', '-numa', 'node,nodeid=1,memdev=b'],
    ...['-smp', 'sockets=1,clusters=2,cores=2'],
    ...['-numa', 'cpu,node-id=1,socket-id=0,cluster-id=0', '-numa', 'cpu,node-id=0,socket-id=0,cluster-id=1'],
  ]
  t.strictSame(cpus(plan(two(0, 1, clusters))), ['5', '6', '1', '2'])
  const named = { profile: 'vcpus = { cpus = "1-3,5" }' }
  t.strictSame(warningsOf(plan(two(0, 1, ranges), named)), [], 'a node that has one of them')
  t.strictSame(warningsOf(plan(two(0, 1, ranges), { profile: 'vcpus = { cpus = "1,2,3,7" }' })).length, 0)
  t.strictSame(warningsOf(plan(two(1, 0, ranges), { profile: 'vcpus = { cpus = "1,5,2,6" }' })), [
    'vCPUs 0,2 of guest node 0 are on NUMA node 0, their RAM is bound to NUMA node 1: every access crosses nodes',
    'vCPUs 1,3 of guest node 1 are on NUMA node 1, their RAM is bound to NUMA node 0: every access crosses nodes',
  ])
})
