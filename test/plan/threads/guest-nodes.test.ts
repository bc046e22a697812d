import t from 'tap'
import { parseCommandLine, wordsOf } from '../../../src/argv/command-line.js'
import { guestNodes } from '../../../src/plan/threads/guest-nodes.js'
import { countVcpus } from '../../../src/plan/threads/smp.js'
import { formatCpuSet } from '../../../src/units/cpu-set.js'

/** vCPUs of nodes 0 and 1. */
const nodesOf = (args: string) => {
  const line = parseCommandLine(wordsOf(args.split(' ')))
  const nodes = guestNodes(line, countVcpus(line))
  return [0, 1].map((node) => formatCpuSet(nodes.find(({ id }) => id === node)?.vcpus ?? []))
}

const TWO = '-numa node,memdev=a -numa node,memdev=b'
const SWAPPED = '-numa node,nodeid=1,memdev=a -numa node,nodeid=0,memdev=b'

// Each was compared with what QEMU 7.2 says to `info numa`.
const CASES: readonly (readonly [args: string, first: string, second: string])[] = [
  [`-machine q35 -smp 4,sockets=2,cores=2 ${TWO}`, '0-1', '2-3'],
  [`-machine q35 -smp 4 ${TWO}`, '0-3', ''],
  [`-machine q35 -smp 4,cores=2 ${TWO}`, '0-1', '2-3'],
  [`-machine q35 -smp 4,sockets=4 ${TWO}`, '0,2', '1,3'],
  [`-machine pc-q35-6.1 -smp 4 ${TWO}`, '0,2', '1,3'],
  [`-machine pc-q35-6.1 -smp 4,cores=2 ${TWO}`, '0-1', '2-3'],
  [`-machine q35 -smp 8,sockets=2,dies=2,cores=2 ${TWO}`, '0-3', '4-7'],
  [`-machine microvm -smp 4,sockets=2,threads=2 ${TWO}`, '0-1', '2-3'],
  [`-smp 4,sockets=2,threads=2 ${TWO}`, '0-1', '2-3'],
  [`-machine q35 -smp 4,sockets=2,cores=2 ${SWAPPED}`, '0-1', '2-3'],
  [
    '-machine q35 -smp 4,sockets=2,cores=2 -numa node,nodeid=1,memdev=a,cpus=0 -numa node,nodeid=0,memdev=b',
    '1-3',
    '0',
  ],
  [`-machine q35 -smp 4,sockets=2,cores=2 ${SWAPPED} -numa cpu,node-id=1,socket-id=0`, '2-3', '0-1'],
  [`-machine q35 -smp 4,cores=2 ${TWO} -numa cpu,node-id=1,socket-id=1`, '0-1', '2-3'],
]

t.test('vCPUs are on the nodes that QEMU puts them on', async (t) => {
  for (const [args, ...nodes] of CASES) t.strictSame(nodesOf(args), nodes, args)
})

t.test('other machines than PCs are taken to have them on the first', async (t) => {
  t.strictSame(nodesOf(`-machine pseries -smp 4,sockets=2,cores=2 ${TWO}`), ['0-3', ''])
})
