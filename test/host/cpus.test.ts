import t from 'tap'
import { readHostFacts } from '../../src/host/read.js'
import { madeHost } from './made-host.js'

const CPU = '/sys/devices/system/cpu'
const NODE = '/sys/devices/system/node'

const cpus = (files: Record<string, string>) =>
  readHostFacts(madeHost(t, { [`${CPU}/present`]: '0-3\n', [`${CPU}/online`]: '0-3\n', ...files }), {
    topology: true,
  }).cpus

t.test('CPUs that share a third-level cache, where not all do', async (t) => {
  const shared = (list: Record<number, string>) =>
    cpus(
      Object.fromEntries(
        Object.entries(list).map(([cpu, set]) => [`${CPU}/cpu${cpu}/cache/index3/shared_cpu_list`, set]),
      ),
    )?.caches
  t.strictSame(shared({ 0: '0-1\n', 1: '0-1\n', 2: '2-3\n', 3: '2-3\n' }), [
    [0, 1],
    [2, 3],
  ])
  t.strictSame(shared({ 0: '0-2\n' }), [[0, 1, 2]], 'cores of low power have none')
  t.equal(shared({ 0: '0-3\n' }), undefined)
  t.equal(shared({}), undefined)
})

t.test('how far NUMA nodes are, where there are several', async (t) => {
  const both = { [`${NODE}/node0/cpulist`]: '0-1\n', [`${NODE}/node2/cpulist`]: '2-3\n' }
  const far = { [`${NODE}/node0/distance`]: '10 21\n', [`${NODE}/node2/distance`]: '21 10\n' }
  t.match(cpus({ ...both, ...far }), {
    nodes: { 0: [0, 1], 2: [2, 3] },
    distances: { 0: [10, 21], 2: [21, 10] },
  })
  t.equal(cpus(both)?.distances, undefined)
  t.equal(cpus({ ...both, [`${NODE}/node0/distance`]: '10\n' })?.distances, undefined, 'of other nodes')
  t.equal(
    cpus({ [`${NODE}/node0/cpulist`]: '0-3\n', [`${NODE}/node0/distance`]: '10\n' })?.distances,
    undefined,
  )
})
