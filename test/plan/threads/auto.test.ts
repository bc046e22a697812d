import fc from 'fast-check'
import t from 'tap'
import { handOutCpus, type Supply } from '../../../src/plan/threads/auto.js'
import { parseCpuSet } from '../../../src/units/cpu-set.js'

const set = (text: string) => parseCpuSet(text) ?? []

/** Two nodes of eight CPUs; CPU n and n + 8 are siblings: node 0 has cores 0 to 3, node 1 cores 4 to 7. */
const TOPOLOGY: Supply['topology'] = {
  siblings: Object.fromEntries(Array.from({ length: 16 }, (_, cpu) => [cpu, [cpu % 8, (cpu % 8) + 8]])),
  nodes: { 0: set('0-3,8-11'), 1: set('4-7,12-15') },
}

interface Given {
  readonly candidates: string
  readonly held?: string
  readonly nodes?: number[]
  readonly isolated?: string
}

const handOut = (count: number, given: Given, topology = TOPOLOGY) =>
  handOutCpus(count, {
    isolated: set(given.isolated ?? ''),
    candidates: set(given.candidates),
    held: set(given.held ?? ''),
    topology,
    preferredNodes: given.nodes ?? [],
  })

t.test('cores are given whole, from the first node with enough', async (t) => {
  t.strictSame(handOut(4, { candidates: '2-15' }), [2, 10, 3, 11])
  t.strictSame(handOut(8, { candidates: '2-15' }), [4, 12, 5, 13, 6, 14, 7, 15])
})

t.test('the preferred node comes first', async (t) => {
  t.strictSame(handOut(2, { candidates: '0-15', nodes: [1] }), [4, 12])
})

t.test('a node that cannot hold the VM gives way to one that can', async (t) => {
  t.strictSame(handOut(4, { candidates: '3-7,11-15', nodes: [0] }), [4, 12, 5, 13])
})

t.test('when no node can, it is spread, preferred node first', async (t) => {
  t.strictSame(handOut(4, { candidates: '3,11,7,15', nodes: [1] }), [7, 15, 3, 11])
})

t.test(
  "a core that another VM has a CPU of is passed over, also when that CPU is none of the pool's",
  async (t) => {
    t.strictSame(handOut(2, { candidates: '2-3,10-11', held: '2' }), [3, 11])
    t.strictSame(handOut(2, { candidates: '2-3,10', held: '11' }), [2, 10])
    t.equal(handOut(3, { candidates: '2-3,10-11', held: '10' }), null)
  },
)

t.test('within a node, cores that share a last-level cache go before others', async (t) => {
  const caches = [set('0-1,8-9'), set('2-3,10-11'), set('4-7,12-15')]
  const near = (count: number, given: Given) => handOut(count, given, { ...TOPOLOGY, caches })
  t.strictSame(near(4, { candidates: '1-15' }), [2, 10, 3, 11])
  t.strictSame(near(4, { candidates: '1-3,9-11' }), [2, 10, 3, 11])
  t.strictSame(near(6, { candidates: '0-3,8-11' }), [0, 8, 1, 9, 2, 10], 'none has as many')
  const isolated = { candidates: '0-3,8-11', isolated: '1-2,9-10' }
  t.strictSame(near(4, isolated), [1, 9, 2, 10], 'isolated CPUs go before')
  t.strictSame(near(4, { candidates: '0-1,4-9,12-15', nodes: [0] }), [0, 8, 1, 9])
  t.strictSame(near(4, { candidates: '1-2,4-10,12-15', nodes: [0] }), [1, 9, 2, 10], 'the node goes before')
  const some = { ...TOPOLOGY, caches: [set('2-3,10-11')] }
  t.strictSame(handOut(4, { candidates: '1-3,9-11' }, some), [2, 10, 3, 11], 'cores without such a cache')
})

t.test('half cores, whose sibling is not in the pool, come last', async (t) => {
  t.strictSame(handOut(1, { candidates: '1-3,10-11' }), [2])
  t.strictSame(handOut(5, { candidates: '1-3,10-11' }), [2, 10, 3, 11, 1])
})

t.test('isolated CPUs of a node come first', async (t) => {
  t.strictSame(handOut(2, { candidates: '4-7,12-15', isolated: '6-7,14-15' }), [6, 14])
  t.strictSame(
    handOut(2, { candidates: '4-7,12-15', isolated: '5,7' }),
    [5, 7],
    'of cores that are so in part',
  )
  t.strictSame(handOut(2, { candidates: '4-7,12-15', isolated: '6-7,14-15', held: '6' }), [7, 15])
})

t.test('a node with enough isolated CPUs comes before others, but for a preferred one', async (t) => {
  const given = { candidates: '2-7,10-15', isolated: '6-7,14-15' }
  t.strictSame(handOut(4, given), [6, 14, 7, 15])
  t.strictSame(handOut(4, { ...given, nodes: [0] }), [2, 10, 3, 11])
})

t.test('with too few isolated CPUs, those that there are come first', async (t) => {
  t.strictSame(handOut(4, { candidates: '4-7,12-15', isolated: '7,15' }), [7, 15, 4, 12])
  t.strictSame(handOut(5, { candidates: '4-7,12-15', isolated: '6-7,14-15' }), [6, 14, 7, 15, 4])
})

t.test('too few is null', async (t) => {
  t.equal(handOut(1, { candidates: '' }), null)
  t.equal(handOut(3, { candidates: '4,5' }), null)
})

t.test('VM after VM gets CPUs of the pool that no other has, and no core is split between VMs', async () => {
  const cpus = fc.uniqueArray(fc.nat(15), { maxLength: 16 })
  const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 8 })
  fc.assert(
    fc.property(cpus, sizes, (candidates, counts) => {
      const owners = new Map<number, number>()
      for (const [vm, count] of counts.entries()) {
        const given = handOutCpus(count, {
          candidates: [...candidates].sort((a, b) => a - b),
          held: [...owners.keys()],
          topology: TOPOLOGY,
          preferredNodes: [],
        })
        if (given === null) continue
        if (new Set(given).size !== count || !given.every((cpu) => candidates.includes(cpu))) return false
        for (const cpu of given) {
          const sibling = owners.get((cpu + 8) % 16)
          if (owners.has(cpu) || (sibling !== undefined && sibling !== vm)) return false
          owners.set(cpu, vm)
        }
      }
      return true
    }),
  )
})
