import { deepEqual, equal } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { UserError } from '../../src/errors/user-error.js'
import { type Contradiction, contradictionsOf } from '../../src/libvirt/contradictions.js'
import { readCputune } from '../../src/libvirt/cputune.js'
import { readDomain } from '../../src/libvirt/domain.js'
import type { NativeDomain } from '../../src/libvirt/native/native.js'
import type { ThreadPlan, ThreadSetting } from '../../src/plan/threads/thread-plan.js'
import { formatCpuSet, parseCpuSet } from '../../src/units/cpu-set.js'
import { native, plannedThreads } from './native.js'

const on = (cpus: string, policy: ThreadSetting['policy'] = null, priority: number | null = null) => ({
  cpus: parseCpuSet(cpus),
  policy,
  priority,
})

const PLAN: ThreadPlan = {
  vcpus: [
    { vcpu: 0, ...on('4', 'fifo', 1) },
    { vcpu: 1, ...on('5', 'fifo', 1) },
  ],
  emulator: on('0-1'),
  iothreads: [],
  workers: null,
  vhost: null,
}

const NODES = { 0: [0, 1, 2, 3], 1: [4, 5, 6, 7] }

function found(elements: string, plan: Partial<ThreadPlan> = {}): readonly Contradiction[] {
  const vcpu = elements.includes('<vcpu ') ? '' : '<vcpu>2</vcpu>'
  const { root } = readDomain(`<domain><name>d</name>${vcpu}${elements}</domain>`, 'd.xml')
  return contradictionsOf(readCputune(root), { ...PLAN, ...plan }, NODES)
}

/** Each kind of element that says something else than the plan, and what is said of it. */
const CASES: Readonly<Record<string, [string, RegExp, Partial<ThreadPlan>?]>> = {
  'a pin of a vCPU': [
    "<cputune><vcpupin vcpu='1' cpuset='0'/></cputune>",
    /^<vcpupin vcpu='1' cpuset='0'\/> keeps vCPU 1 from CPU 5 of the profile$/,
  ],
  'all vCPUs': ["<vcpu cpuset='0-3,^1'>2</vcpu>", /^<vcpu cpuset='0,2-3'> keeps vCPUs 0-1 from CPU 4-5 of/],
  numad: [
    "<vcpu placement='auto'>2</vcpu>",
    /^<vcpu placement='auto'> has numad choose the CPUs of vCPUs 0-1/,
  ],
  'a schedule': [
    "<cputune><vcpusched vcpus='0-1' scheduler='fifo' priority='2'/></cputune>",
    /^<vcpusched vcpus='0-1' scheduler='fifo' priority='2'\/> gives vCPUs 0-1 fifo 2, and the profile fifo 1$/,
  ],
  'a schedule for one that the mask leaves out': [
    "<cputune><vcpusched vcpus='0' scheduler='rr' priority='1'/></cputune>",
    /gives vCPU 0 rr 1, and the profile other$/,
    { vcpus: [{ vcpu: 0, ...on('4') }, ...PLAN.vcpus.slice(1)] },
  ],
  'a pin of an I/O thread': [
    "<cputune><iothreadpin iothread='1' cpuset='2'/></cputune>",
    /^<iothreadpin iothread='1' cpuset='2'\/> keeps I\/O thread 'iothread1' from CPU 3 of/,
    { iothreads: [{ id: 'iothread1', ...on('3') }] },
  ],
  'an I/O thread that goes where emulator threads go': [
    "<cputune><iothreadpin iothread='1' cpuset='1'/></cputune>",
    /keeps I\/O thread 'iothread1' from CPU 0 of the profile$/,
  ],
  'a schedule of an I/O thread': [
    "<cputune><iothreadsched iothreads='1-2' scheduler='batch'/></cputune>",
    /^<iothreadsched iothreads='1-2' scheduler='batch'\/> gives I\/O thread 'iothread1' batch, and the profile fifo 3$/,
    { iothreads: [{ id: 'iothread1', ...on('0-1', 'fifo', 3) }] },
  ],
  'a real-time vCPU beside emulator threads': [
    "<cputune><vcpupin vcpu='0' cpuset='6'/><emulatorpin cpuset='6-7'/><vcpusched vcpus='0' scheduler='fifo' priority='1'/></cputune>",
    /^<vcpusched .*> makes vCPU 0 real-time on CPU 6, where emulator threads are \(<emulatorpin cpuset='6-7'\/>\)/,
    { vcpus: [], emulator: null, workers: on('6') },
  ],
  'memory of another node': [
    "<numatune><memory mode='strict' nodeset='0'/></numatune>",
    /^<memory nodeset='0'\/> of <numatune> takes guest RAM from NUMA node 0, and vCPUs are on NUMA node 1$/,
  ],
  'memory by numad': [
    "<numatune><memory mode='strict' placement='auto'/></numatune>",
    /^<memory placement='auto'\/> of <numatune> has numad choose the NUMA node/,
  ],
  "a guest node's memory": [
    "<cpu><numa><cell id='0' cpus='1' memory='1'/></numa></cpu><numatune><memnode cellid='0' mode='strict' nodeset='0'/></numatune>",
    /^<memnode cellid='0' nodeset='0'\/> of <numatune> takes/,
  ],
}

for (const [what, [elements, text, plan]] of Object.entries(CASES)) {
  t.test(`${what} that says something else than the plan is named`, async (t) => {
    const texts = found(elements, plan)
    t.match(texts, [{ text, isSettled: false }])
    t.equal(texts.filter((one) => !one.isSettled).length, 1)
  })
}

t.test('emulator threads are moved by the hook', async (t) => {
  t.match(found("<cputune><emulatorpin cpuset='4-5'/></cputune>"), [
    {
      text: /^<emulatorpin cpuset='4-5'\/> keeps emulator threads from CPU 0-1 of the profile: libvirt's hook moves them there$/,
      isSettled: true,
    },
  ])
})

t.test('what allows the plan is no contradiction', async (t) => {
  for (const elements of [
    '',
    "<vcpu cpuset='0-7'>2</vcpu>",
    "<cputune><vcpupin vcpu='0' cpuset='4-7'/><vcpupin vcpu='7' cpuset='0'/><emulatorpin cpuset='0-3'/></cputune>",
    "<cputune><vcpusched vcpus='0-1' scheduler='fifo' priority='1'/><vcpusched vcpus='9' scheduler='rr' priority='1'/></cputune>",
    "<vcpu cpuset='0'>2</vcpu><cputune><vcpupin vcpu='0' cpuset='4'/><vcpupin vcpu='1' cpuset='5'/><emulatorpin cpuset='0-1'/></cputune>",
    "<numatune><memory mode='strict' nodeset='0-1'/></numatune>",
    "<cputune><vcpupin vcpu='x' cpuset='y'/><vcpusched vcpus='0' scheduler='z'/></cputune>",
  ]) {
    t.strictSame(found(elements), [], elements)
  }
})

const cpus = fc.subarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 1 }).map(formatCpuSet)
const some = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: null })
const text = (of: fc.Arbitrary<string>) => fc.option(of, { nil: '' })
const sched = fc.constantFrom(
  "scheduler='batch'",
  "scheduler='fifo' priority='2'",
  "scheduler='rr' priority='9'",
)

/** `<cputune>` and `<vcpu>` of a domain with two vCPUs and two I/O threads. */
const cputunes = fc
  .record({
    vcpu: fc.oneof(
      fc.constant(''),
      fc.constant(" placement='auto'"),
      cpus.map((set) => ` cpuset='${set}'`),
    ),
    elements: fc.tuple(
      ...[0, 1].map((vcpu) => text(cpus.map((set) => `<vcpupin vcpu='${vcpu}' cpuset='${set}'/>`))),
      text(cpus.map((set) => `<emulatorpin cpuset='${set}'/>`)),
      ...[1, 2].map((id) => text(cpus.map((set) => `<iothreadpin iothread='${id}' cpuset='${set}'/>`))),
      text(
        fc.oneof(
          sched.map((how) => `<vcpusched vcpus='0-1' ${how}/>`),
          fc.tuple(sched, sched).map(([a, b]) => `<vcpusched vcpus='0' ${a}/><vcpusched vcpus='1' ${b}/>`),
        ),
      ),
      text(sched.map((how) => `<iothreadsched iothreads='1-2' ${how}/>`)),
      text(sched.map((how) => `<emulatorsched ${how}/>`)),
      text(fc.constant('<shares>2048</shares>')),
    ),
  })
  .map(
    ({ vcpu, elements }) => `<vcpu${vcpu}>2</vcpu><iothreads>2</iothreads>
  <cputune>${elements.map((one) => `\n    ${one}`).join('')}\n  </cputune>`,
  )

const policy = fc.constantFrom('', ', policy = "other"', ', policy = "batch"')
const others = (key: string) =>
  some(fc.tuple(fc.constantFrom('"housekeeping"', '"0"', '"2-3"', '"auto"'), policy)).map((one) =>
    one === null ? '' : `${key} = { cpus = ${one[0]}${one[1]} }`,
  )
const profiles = fc
  .tuple(
    some(
      fc.tuple(
        fc.constantFrom('"auto"', '"4-5"', '{ 0 = "4" }'),
        fc.constantFrom('', ', policy = "batch"', ', policy = "fifo", priority = 2, realtime-mask = "0"'),
      ),
    ).map((one) => (one === null ? '' : `vcpus = { cpus = ${one[0]}${one[1]} }`)),
    others('emulator'),
    others('iothreads'),
    others('workers'),
  )
  .map(
    (lines) =>
      `\n[host]\nhousekeeping = "0-1"\nrealtime = "4-7"\n[profile.rt]\n${lines.join('\n')}\n[[domain]]\nname = "*"\nprofile = "rt"\n`,
  )

/** A profile that asks for what must not be is refused before anything is written. */
function orRefused<T>(make: () => T): T | null {
  try {
    return make()
  } catch (error) {
    if (error instanceof UserError) return null
    throw error
  }
}

t.test('after native nothing in <cputune> contradicts the plan', async () => {
  fc.assert(
    fc.property(cputunes, profiles, (elements, config) => {
      const before = `<domain type='kvm'><name>vm</name><memory>1048576</memory>\n  ${elements}
  <devices><emulator>/usr/local/bin/qemu-rt-system-x86_64</emulator></devices>\n</domain>`
      const result = orRefused(() => native(before, config))
      fc.pre(result !== null)
      const { xml } = result as NativeDomain
      const { root } = readDomain(xml, 'after.xml')
      const threads = plannedThreads(before, config)
      const left = threads === null ? [] : contradictionsOf(readCputune(root), threads, {})
      // What libvirt's own elements mean for each other is the domain's to say.
      const texts = left.map((one) => one.text).filter((one) => !/ makes vCPUs? .* real-time /.test(one))
      deepEqual(texts, [], `${config}${xml}`)
      equal(xml.includes('<shares>'), before.includes('<shares>'), 'others stay')
      // Without an emulator key libvirt's pin is the plan's, which is another once worker threads are in it.
      if (config.includes('emulator =')) equal(native(xml, config).xml, xml, 'and once is enough')
    }),
    { numRuns: 300 },
  )
})

t.test('native keeps what the profile does not say', async (t) => {
  const xml = (cputune: string) => `<domain type='kvm'><name>vm</name><memory>1048576</memory><vcpu>2</vcpu>
  <cputune>${cputune}</cputune>
  <devices><emulator>/usr/local/bin/qemu-rt-system-x86_64</emulator></devices></domain>`
  const nova =
    "<vcpupin vcpu='0' cpuset='4'/><vcpupin vcpu='1' cpuset='5'/><vcpusched vcpus='1' scheduler='fifo' priority='1'/>"
  const config = '[profile.rt]\nemulator = { cpus = "0" }\n[[domain]]\nname = "*"\nprofile = "rt"\n'
  t.match(native(xml(nova), config).xml, nova)
})
