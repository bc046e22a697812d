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
  [['-smp', ''], 1, 1],
  [['-smp', '010'], 8, 8],
  [['-smp', '0x4,maxcpus=0X10'], 4, 16],
  [['-smp', ' +4'], 4, 4],
  [['-smp', '4294967298'], 2, 2],
  [['-machine', 'q35,smp.cpus=2'], 2, 2],
  [['-smp', '3,maxcpus=8', '-M', 'smp.cpus=2'], 2, 8],
  [['-M', 'smp.cpus=2', '-smp', '3'], 3, 3],
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
    t.match(count(...args), { present, possible }, args.join(' '))
  }
})

t.test('threads of a core that are not given are what is left of the product', async (t) => {
  const threads = (smp: string) => count('-smp', smp).threads
  t.equal(threads('8'), 1)
  t.equal(threads('8,sockets=2'), 1)
  t.equal(threads('8,sockets=2,threads=2'), 2)
  t.equal(threads('8,sockets=2,cores=2'), 2)
  t.equal(threads('maxcpus=16,sockets=2,dies=2,cores=2'), 2)
})

t.test('a core that is plugged into pseries has all its threads', async (t) => {
  t.equal(count('-smp', '8,threads=8,maxcpus=24', '-device', 'host-spapr-cpu-core,core-id=8').present, 16)
})

t.test('a number that does not parse is an error', async (t) => {
  t.throws(() => count('-smp', 'four'), {
    message:
      "number of vCPUs 'four' does not parse: cpus of -smp; write a whole number, such as -smp 4 or -smp 2,maxcpus=4",
    exitCode: 65,
  })
  for (const smp of ['08', '4 ', '4.0', '0x', '0o7', 'cpus=', '1,maxcpus=4k', '9'.repeat(30)]) {
    t.throws(() => count('-smp', smp), { message: /does not parse/, exitCode: 65 }, smp)
  }
})

t.test('more vCPUs than any machine has are an error', async (t) => {
  for (const smp of ['-1', '4097', '1,maxcpus=4097', 'sockets=64,cores=65']) {
    t.throws(() => count('-smp', smp), { message: /no machine has more than 4096/, exitCode: 65 }, smp)
  }
  t.match(count('-smp', '4096'), { possible: 4096 })
})

t.test('vCPUs that the command line plugs have the numbers of their places', async (t) => {
  const numbers = (...args: string[]) => count(...args).numbers
  const plug = (places: string) => ['-device', `qemu64-x86_64-cpu,${places}`]
  const smp = ['-smp', '1,sockets=2,cores=2,maxcpus=4']
  t.strictSame(numbers(...smp), [0])
  t.strictSame(numbers(...smp, ...plug('socket-id=1,core-id=1,thread-id=0')), [0, 3])
  t.strictSame(
    numbers(...smp, ...plug('socket-id=1,core-id=0,thread-id=0'), ...plug('socket-id=0,core-id=1')),
    [0, 1, 2],
  )
  t.strictSame(
    numbers('-smp', '2,sockets=1,cores=2,threads=2,maxcpus=4', ...plug('socket-id=0,core-id=1,thread-id=1')),
    [0, 1, 3],
  )
  t.strictSame(numbers(...smp, ...plug('id=x'), ...plug('id=y')), [0, 1, 2], 'without a place')
  t.strictSame(numbers(...smp, ...plug('socket-id=7')), [0, 1], 'a place that there is not')
  t.strictSame(numbers(...smp, ...plug('socket-id=-1')), [0, 1], 'a place before the first')
  const core = (id: number) => ['-device', `host-spapr-cpu-core,core-id=${id}`]
  t.strictSame(numbers('-smp', '2,threads=2,maxcpus=8', ...core(4)), [0, 1, 4, 5])
})
