import t from 'tap'
import type { HostCpus } from '../../../src/host/facts.js'
import { parseCpuSet } from '../../../src/units/cpu-set.js'
import { cpusOf, NAMED, planOf, warningsOf } from '../make.js'

const set = (text: string) => parseCpuSet(text) ?? []
const HOST = '[host]\nhousekeeping = "0-1"\nrealtime = "3-7,11-15"\nswitch = "2"\n'

/** CPU n and n + 8 are siblings; two nodes: cores 0 to 3 and 4 to 7. */
const cpus = (facts: Partial<HostCpus> = {}) =>
  cpusOf('0-15', {
    siblings: Object.fromEntries(Array.from({ length: 16 }, (_, cpu) => [cpu, [cpu % 8, (cpu % 8) + 8]])),
    nodes: { 0: set('0-3,8-11'), 1: set('4-7,12-15') },
    ...facts,
  })

const plan = (
  profile: string,
  args: readonly string[],
  given: Parameters<typeof planOf>[1] = {},
  host = HOST,
) =>
  planOf([...NAMED, ...args], {
    cpus: cpus(),
    ...given,
    config: `${host}[profile.rt]\n${profile}`,
    options: ['--profile', 'rt'],
  })

const cpusOfVcpus = (made: ReturnType<typeof plan>) => made.threads?.vcpus.map((vcpu) => vcpu.cpus?.join())

const about = (made: ReturnType<typeof plan>, pattern: RegExp) =>
  warningsOf(made).filter((text) => pattern.test(text))

const FIFO = 'vcpus = { cpus = "auto", policy = "fifo" }'

t.test('a node with whole cores goes before one that has halves only', async (t) => {
  const host = '[host]\nhousekeeping = "0-1"\nrealtime = "4-15"\n'
  t.strictSame(cpusOfVcpus(plan(FIFO, ['-smp', '2'], {}, host)), ['4', '12'])
})

t.test('threads = "isolate" gives each vCPU a core, whose other CPU nobody gets', async (t) => {
  const isolate =
    'vcpus = { cpus = "auto", policy = "fifo", threads = "isolate" }\niothreads = { cpus = "auto" }'
  const made = plan(isolate, ['-smp', '2', '-object', 'iothread,id=a'])
  t.strictSame(cpusOfVcpus(made), ['4', '5'])
  t.match(made.threads?.iothreads, [{ cpus: [3] }])
  t.strictSame(made.lease?.cpus, [3, 4, 5, 12, 13])
  t.strictSame(about(made, /core/), [])
  t.throws(() => plan(isolate, ['-smp', '6']), {
    exitCode: 69,
    message:
      /only CPUs 3-7 are usable \(11-15 of cores that give one CPU, or that are not realtime CPUs as a whole\), and threads = "isolate" takes one CPU of each core that is free as a whole/,
  })
  const prefer = 'vcpus = { cpus = "auto", threads = "prefer" }'
  t.strictSame(cpusOfVcpus(plan(prefer, ['-smp', '2'])), ['3', '11'])
})

t.test('a real-time vCPU on a core that something else uses is a warning', async (t) => {
  const held = [{ guest: 'plc-1', pid: 7, nics: [], cpus: [12] }]
  const named = (list: string) => `vcpus = { cpus = "${list}", policy = "fifo" }`
  const core = (list: string, more = '') => about(plan(named(list) + more, ['-smp', '1'], { held }), /core/)
  const end = 'what runs there slows them down (SMT siblings); choose CPUs of cores that nothing else uses'
  t.strictSame(core('8'), [`CPU 8 of real-time vCPUs shares its core with housekeeping CPU 0: ${end}`])
  t.strictSame(core('10'), [`CPU 10 of real-time vCPUs shares its core with switch CPU 2: ${end}`])
  t.strictSame(core('4'), [
    `CPU 4 of real-time vCPUs shares its core with what guest 'plc-1' (PID 7) holds, CPU 12: ${end}`,
  ])
  t.strictSame(core('5', '\nworkers = { cpus = "13" }'), [
    `CPU 5 of real-time vCPUs shares its core with worker threads on CPU 13: ${end}`,
  ])
  t.strictSame(core('6'), [])
  t.strictSame(about(plan('vcpus = { cpus = "8" }', []), /core/), [], 'best-effort')
})

t.test("a list keeps its order, and the guest's siblings are to be the host's", async (t) => {
  const two = ['-smp', '4,sockets=1,cores=2,threads=2']
  const good = plan('vcpus = { cpus = "4,12,3,11" }', two)
  t.strictSame(cpusOfVcpus(good), ['4', '12', '3', '11'])
  t.strictSame(about(good, /siblings/), [])
  t.strictSame(about(plan('vcpus = { cpus = "4,5,12,13" }', two), /siblings/), [
    'vCPU 0-1 are threads of one core to the guest, and CPU 4-5 of the host are not SMT siblings: give them siblings, ' +
      'in the order of the vCPUs, or the guest threads=1 (-smp)',
  ])
  t.strictSame(about(plan('vcpus = { cpus = "4,5,12,13" }', ['-smp', '4']), /siblings/), [])
  t.strictSame(about(plan('vcpus = { cpus = "auto" }', two), /siblings/), [])
})

t.test('CPUs that other threads of the profile name are not handed out', async (t) => {
  const io = ['-smp', '2', '-object', 'iothread,id=a', '-object', 'iothread,id=b']
  const vcpus = (iothreads: string) =>
    cpusOfVcpus(plan(`vcpus = { cpus = "auto", policy = "fifo" }\niothreads = ${iothreads}`, io))
  t.strictSame(vcpus('{ cpus = "3,11" }'), ['4', '12'])
  t.strictSame(vcpus('{ a = { cpus = "3" }, b = { cpus = "11" } }'), ['4', '12'])
  t.strictSame(vcpus('{ cpus = "housekeeping" }'), ['3', '11'])
  const one = plan('vcpus = { cpus = { 0 = "3", 1 = "11" } }\niothreads = { cpus = "auto" }', io)
  const given = one.threads?.iothreads.flatMap(({ cpus }) => cpus ?? []) ?? []
  t.equal(given.length > 0 && !given.includes(3) && !given.includes(11), true, String(given))
})

t.test('cores of two kinds are not mixed', async (t) => {
  const hybrid = { cpus: cpus({ nodes: { 0: set('0-15') }, coreKinds: [set('0-4,8-12'), set('5-7,13-15')] }) }
  t.strictSame(cpusOfVcpus(plan(FIFO, ['-smp', '2'], hybrid)), ['3', '11'])
  t.strictSame(cpusOfVcpus(plan(FIFO, ['-smp', '6'], hybrid)), ['5', '13', '6', '14', '7', '15'])
  t.throws(() => plan(FIFO, ['-smp', '7'], hybrid), {
    exitCode: 69,
    message: /only CPUs 3-7,11-15 are free, and they are of different kinds of cores, which are not mixed/,
  })
  t.strictSame(about(plan('vcpus = { cpus = "4-5" }', ['-smp', '2'], hybrid), /kinds/), [
    'vCPUs are on cores of different kinds (CPU 4; CPU 5): the guest takes them for equally fast; choose CPUs of one kind',
  ])
})
