import fc from 'fast-check'
import t from 'tap'
import { parseCommandLine, wordsOf } from '../../src/argv/command-line.js'
import { UserError } from '../../src/errors/user-error.js'
import { countVcpus, type VcpuCount } from '../../src/plan/threads/smp.js'
import { run } from '../launcher/run.js'
import { machineTypes } from './machine-types.js'
import { needs } from './needs.js'

const QEMU = 'qemu-system-x86_64'

const QUESTIONS = ['qmp_capabilities', 'query-cpus-fast', 'query-hotpluggable-cpus', 'quit']

/** What QEMU makes of a command line, or its own words when it makes nothing of it. */
async function ask(args: readonly string[]): Promise<VcpuCount | string> {
  const all = ['-S', '-nodefaults', '-display', 'none', '-accel', 'tcg', '-m', '16', '-qmp', 'stdio', ...args]
  const input = QUESTIONS.map((execute) => JSON.stringify({ execute })).join('\n')
  const { stdout, stderr } = await run([QEMU, ...all], { input, timeout: 30_000 })
  const answers = stdout.split('\n').flatMap((line): unknown[] => {
    const { return: answer } = line.startsWith('{') ? JSON.parse(line) : {}
    return Array.isArray(answer) ? [answer] : []
  })
  return answers.length === 2 ? countOf(answers) : stderr
}

interface Slot {
  readonly 'vcpus-count': number
  readonly props: { readonly 'thread-id'?: number }
}

function countOf([cpus, slots]: readonly unknown[]): VcpuCount {
  const all = slots as Slot[]
  const there = cpus as { readonly 'cpu-index': number }[]
  return {
    present: there.length,
    numbers: there.map((cpu) => cpu['cpu-index']).sort((a, b) => a - b),
    possible: all.reduce((sum, slot) => sum + slot['vcpus-count'], 0),
    threads: 1 + Math.max(...all.map(({ props }) => props['thread-id'] ?? 0)),
  }
}

function count(args: readonly string[]): VcpuCount | string {
  try {
    return countVcpus(parseCommandLine(wordsOf(args)))
  } catch (error) {
    if (error instanceof UserError) return error.message
    throw error
  }
}

/** Numbers as people and programs write them, and as they should not. */
const number = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 4 }).map(String) },
  fc.constantFrom('010', '0x4', '0X2', '02', ' 3', '+2', '4294967298', '1'),
  { weight: 1, arbitrary: fc.constantFrom('08', '2 ', '-1', '', '1.0', '2k', '0x', '0b10', '1e1') },
)

const levels = fc.record(
  {
    sockets: number,
    dies: number,
    cores: number,
    threads: number,
    clusters: fc.constant('1'),
    maxcpus: number,
  },
  { requiredKeys: [] },
)

/** A product that fits, as generated numbers seldom do; some of it left out for QEMU to compute. */
const fitting = fc
  .record({
    sizes: fc.record({
      sockets: fc.integer({ min: 1, max: 3 }),
      cores: fc.integer({ min: 1, max: 3 }),
      threads: fc.constantFrom(1, 2),
    }),
    base: fc.constantFrom('', '0', '0x'),
    left: fc.constantFrom('sockets', 'cores', 'threads', 'cpus', 'none'),
  })
  .map(({ sizes, base, left }) => {
    const write = (size: number) => `${base}${size.toString({ '': 10, '0': 8, '0x': 16 }[base])}`
    const all = sizes.sockets * sizes.cores * sizes.threads
    const keys = Object.entries({ ...sizes, maxcpus: all, cpus: 1 }).filter(([key]) => key !== left)
    return keys.map(([key, size]) => `${key}=${write(size)}`)
  })

const free = fc
  .tuple(fc.option(number, { nil: null }), levels)
  .map(([cpus, rest]) => [
    ...(cpus === null ? [] : [`cpus=${cpus}`]),
    ...Object.entries(rest).map(([key, size]) => `${key}=${size}`),
  ])

/** One key in -smp, the next in -machine: the last one counts. */
const commandLine = fc
  .tuple(fc.oneof(fitting, free), fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }))
  .map(([keys, areMachines]) =>
    keys.flatMap((key, index) => (areMachines[index] ? ['-machine', `smp.${key}`] : ['-smp', key])),
  )

const WRITTEN: readonly (readonly string[])[] = [
  [],
  ['-smp', ''],
  ['-smp', '2', '-smp', 'maxcpus=6'],
  ['-smp', '3,maxcpus=8', '-machine', 'smp.cpus=2'],
  ['-machine', 'smp.cpus=2', '-smp', '3'],
  [
    '-smp',
    '1,maxcpus=2',
    '-device',
    'qemu64-x86_64-cpu,socket-id=1,core-id=0,thread-id=0',
    '-machine',
    'smp.sockets=2',
  ],
  ['-smp', '1,sockets=2,cores=2,maxcpus=4', '-device', 'qemu64-x86_64-cpu,socket-id=1,core-id=1,thread-id=0'],
  ['-smp', '08'],
  ['-smp', '-1'],
]

t.test('vCPUs are counted as QEMU counts them, whatever notation they are in', async (t) => {
  if (!needs(t, [QEMU])) return
  // Before 6.2 a machine type has its vCPUs in sockets first.
  const types = machineTypes()
  const machines = ['q35', 'pc', ...['pc-q35-6.1', 'pc-i440fx-5.2'].filter((type) => types.has(type))]
  const generated = fc.sample(commandLine, { numRuns: 60, seed: 17 })
  let understood = 0
  for (const [index, args] of [...WRITTEN, ...generated].entries()) {
    const all = ['-machine', machines[index % machines.length] ?? 'q35', ...args]
    const [theirs, ours] = [await ask(all), count(all)]
    const name = all.join(' ')
    if (typeof theirs !== 'string') {
      understood++
      t.strictSame(ours, theirs, name)
    } else if (/expects integer|[Ii]nvalid parameter|Expected/.test(theirs)) {
      // glibc 2.38 reads binary numbers, an older QEMU refuses them.
      t.ok(typeof ours === 'string' || name.includes('0b'), `refused as by QEMU: ${name}`)
    } else {
      t.match(theirs, /topology|Invalid SMP|number of (SMP )?CPUs/i, `left to QEMU to refuse: ${name}`)
    }
  }
  t.ok(understood > 25, `QEMU understands enough of them: ${understood}`)
})
