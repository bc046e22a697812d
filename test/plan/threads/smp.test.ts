import t from 'tap'
import { parseCommandLine, wordsOf } from '../../../src/argv/command-line.js'
import { countVcpus } from '../../../src/plan/threads/smp.js'

const count = (...args: string[]) => countVcpus(parseCommandLine(wordsOf(args)))

// Each was compared with what QEMU 7.2 says to query-cpus-fast and query-hotpluggable-cpus.
const NOTATIONS: readonly (readonly [args: readonly string[], present: number, possible: number])[] = [
  [[], 1, 1],
  [['-smp', '4'], 4, 4],
  [['-smp', 'cpus=3'], 3, 3],
  [['-smp', '2,maxcpus=4'], 2, 4],
  [['-smp', 'maxcpus=4'], 4, 4],
  [['-smp', '4,sockets=2,cores=2,threads=1'], 4, 4],
  [['-smp', 'sockets=2,cores=2,threads=2'], 8, 8],
  [['-smp', 'cores=3'], 3, 3],
  [['-smp', '1,sockets=1,dies=1,cores=2,threads=2,maxcpus=4'], 1, 4],
  [['-smp', '2', '-smp', 'maxcpus=6'], 2, 6],
  [['--smp', '2'], 2, 2],
  [['-smp', '1,maxcpus=2', '-device', 'qemu64-x86_64-cpu,socket-id=1,core-id=0,thread-id=0'], 2, 2],
  [
    [
      '-smp',
      '1,maxcpus=2',
      '-device',
      '{"driver":"qemu64-x86_64-cpu","socket-id":1,"core-id":0,"thread-id":0}',
    ],
    2,
    2,
  ],
]

t.test('vCPUs are counted in every notation', async (t) => {
  for (const [args, present, possible] of NOTATIONS) {
    t.strictSame(count(...args), { present, possible }, args.join(' '))
  }
})

t.test('a number that does not parse is an error', async (t) => {
  t.throws(() => count('-smp', 'four'), {
    message:
      "number of vCPUs 'four' does not parse: cpus of -smp; write a whole number, such as -smp 4 or -smp 2,maxcpus=4",
    exitCode: 65,
  })
})
