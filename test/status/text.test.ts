import t from 'tap'
import { displayWidth } from '../../src/report/width.js'
import { paint } from '../../src/status/line.js'
import type { VmSnapshot } from '../../src/status/snapshot.js'
import { statusOf } from '../../src/status/status.js'
import { statusText, watchHeading } from '../../src/status/text.js'
import { fitRows } from '../../src/status/watch.js'
import { printable } from '../../src/units/printable.js'
import { address } from '../plan/make.js'
import { cpuSet, plan, smallVm, snapshot, textOf, thread, USAGE } from './make.js'

const DRIFTED: VmSnapshot = {
  pid: 4711,
  plan: plan(
    'plc-1',
    {
      vcpus: [
        { vcpu: 0, cpus: '4', policy: 'fifo', priority: 1 },
        { vcpu: 1, cpus: '5', policy: 'fifo', priority: 1 },
      ],
      emulator: { cpus: '0-1' },
      iothreads: [{ id: 'iothread1', cpus: '0-1', policy: 'fifo', priority: 3 }],
    },
    { profile: 'rt', vcpusAtStart: 2 },
  ),
  threads: [
    thread(4711, 'qemu-system-x86', '0-1', { involuntarySwitches: 18 }),
    thread(4712, 'IO iothread1', '0-1', { policy: 'fifo', priority: 5 }),
    thread(4713, 'CPU 0/KVM', '4', { policy: 'fifo', priority: 1, ticks: 150, involuntarySwitches: 2 }),
    thread(4714, 'CPU 1/KVM', '0-7', { lastCpu: 6, involuntarySwitches: 12_345 }),
  ],
  usage: USAGE,
}

const BEFORE: VmSnapshot = { ...DRIFTED, threads: DRIFTED.threads.map((one) => ({ ...one, ticks: 50 })) }

const status = statusOf(snapshot({ vms: [DRIFTED] }), snapshot({ at: 9000, vms: [BEFORE] }))
const once = (width: number) => statusText(status, { width, heading: null })

t.test('drift stands beside what is planned, and what to do below it', async (t) => {
  t.equal(
    textOf(once(100)),
    `! 1 VM, 2 of 4 threads are not as planned

plc-1  PID 4711  profile rt  CPU 102.5 %  memory 1.3 GiB  up 3 d 4 h
  THREAD                     TID  CPUS          POLICY                LAST  SWITCHES  CPU %
  vCPU 0                    4713  4             fifo 1                   4         2  100.0
! vCPU 1                    4714  0-7 (plan 5)  other (plan fifo 1)      6     12345    0.0
! I/O thread iothread1      4712  0-1           fifo 5 (plan fifo 3)     0         0    0.0
  emulator qemu-system-x86  4711  0-1           other                    0        18    0.0
! 2 of 4 threads are not as planned; run: qemu-rt tune --pid 4711

CPUs of this host
  CPU  FOR           PLANNED THERE
  0-1  housekeeping  emulator, I/O thread iothread1 of plc-1
  2-3  switch        -
  4    realtime      plc-1 vCPU 0 fifo 1
  5    realtime      plc-1 vCPU 1 fifo 1
  6-7  realtime      free
`,
  )
})

t.test('at 80 columns the least important column goes, and names are cut', async (t) => {
  t.match(
    textOf(once(80)),
    `
  THREAD                 TID  CPUS          POLICY                LAST  SWITCHES
  vCPU 0                4713  4             fifo 1                   4         2
! vCPU 1                4714  0-7 (plan 5)  other (plan fifo 1)      6     12345
! I/O thread iothread1  4712  0-1           fifo 5 (plan fifo 3)     0         0
  emulator qemu-syste…  4711  0-1           other                    0        18
`,
  )
})

t.test('no line is wider than the terminal, whatever its width', async (t) => {
  const name = '工場-'.repeat(40)
  const vms = [DRIFTED, smallVm(name, 10, '4')]
  for (let width = 1; width <= 130; width++) {
    const lines = statusText(statusOf(snapshot({ vms }), null), { width, heading: 'x'.repeat(200) })
    t.equal(lines.find(({ text }) => displayWidth(text) > width)?.text, undefined, `${width} columns`)
  }
})

t.test('a drawing that is one of many has a heading, and switches since the one before', async (t) => {
  const earlier = DRIFTED.threads.map((one) => ({ ...one, involuntarySwitches: 0 }))
  const before = snapshot({ at: 9000, vms: [{ ...DRIFTED, threads: earlier }] })
  const heading = watchHeading(new Date(2026, 0, 2, 3, 4, 5), 1)
  const text = textOf(statusText(statusOf(snapshot({ vms: [DRIFTED] }), before), { width: 120, heading }))
  t.match(text, /^qemu-rt status {2}2026-01-02 03:04:05 {2}every 1 s\n! 1 VM/)
  t.match(text, ' 12345 +12345  ')
  t.match(text, ' 0 +0  ')
})

t.test('a VM without a thread plan says so', async (t) => {
  const vm = {
    pid: 7,
    plan: plan('plain', null),
    threads: [thread(7, 'qemu-system-x86', '0-7')],
    usage: null,
  }
  t.equal(
    textOf(statusText(statusOf(snapshot({ vms: [vm], cpus: null }), null), { width: 80, heading: null })),
    `1 VM

plain  PID 7
  THREAD                    TID  CPUS  POLICY  LAST  SWITCHES  CPU %
  emulator qemu-system-x86    7  0-7   other      0         0      -
  no CPUs or policies planned
`,
  )
})

t.test('all as planned, in one line', async (t) => {
  const made = snapshot({ vms: [smallVm('plc-1', 10, '4'), smallVm('plc-2', 20, '5')] })
  t.match(
    textOf(statusText(statusOf(made, null), { width: 80, heading: null })),
    /^2 VMs, all 4 threads are as planned\n/,
  )
})

t.test('no VM, and a user who may not see all of them', async (t) => {
  const text = (seesAll: boolean) =>
    textOf(statusText(statusOf(snapshot({ seesAll, cpus: null }), null), { width: 80, heading: null }))
  t.equal(text(true), 'no QEMU is running that this user may see\n')
  t.equal(
    text(false),
    "no QEMU is running that this user may see\nother users' VMs are not shown: root sees all\n",
  )
})

t.test('threads that are not there, and conflicts, are in the first line too', async (t) => {
  const late = { ...DRIFTED, threads: DRIFTED.threads.slice(0, 2) }
  const made = snapshot({ vms: [late, smallVm('plc-2', 20, '5')] })
  const text = textOf(statusText(statusOf(made, null), { width: 100, heading: null }))
  t.match(text, /^! 2 VMs, 1 of 4 threads are not as planned, 2 not there, conflict on CPU 5\n/)
  t.match(text, '\n! not there: vCPU 0, vCPU 1\n')
})

t.test('many worker threads are one row', async (t) => {
  const workers = [1, 2, 3, 4].map((tid) => thread(tid, 'worker', '0-1', { involuntarySwitches: 2 }))
  const made = { ...smallVm('plc-1', 10, '4') }
  const more = { ...made, threads: [...made.threads, ...workers, thread(9, 'worker', '0-7')] }
  const text = textOf(statusText(statusOf(snapshot({ vms: [more] }), null), { width: 90, heading: null }))
  t.match(text, / {2}4 workers +- {2}0-1 .* - +8 +-\n! worker +9 {2}0-7 \(plan 0-1\)/)
})

t.test('huge pages are not resident memory, and are named', async (t) => {
  const vm = {
    ...smallVm('plc-1', 10, '4'),
    usage: { ...USAGE, memory: 5e7, hugePages: 2 ** 32, uptimeSeconds: 61 },
  }
  const text = textOf(statusText(statusOf(snapshot({ vms: [vm] }), null), { width: 90, heading: null }))
  t.match(text, 'memory 47.7 MiB + 4.0 GiB huge  up 1 min 1 s\n')
})

t.test('control characters of names do not reach the terminal', async (t) => {
  for (const [name, shown] of [
    ['a\x1b[31mb', 'a\\x1b[31mb'],
    ['a\nb\x7f', 'a\\x0ab\\x7f'],
    ['a\u009b2Jb', 'a\\u{9b}2Jb'],
    ['a\u202eb', 'a\\u{202e}b'],
    ['a\u2028b', 'a\\u{2028}b'],
    ['a\udc80b', 'a\\u{dc80}b'],
    ['Fräser 工場 é', 'Fräser 工場 é'],
  ] as const) {
    t.equal(printable(name), shown)
    const evil = {
      pid: 1,
      plan: plan(name, { vcpus: [], iothreads: [{ id: name, cpus: '4' }] }, { profile: name }),
      threads: [thread(1, name, '0'), thread(2, `IO ${name}`, '0'), thread(3, 'CPU 0/KVM', '4')],
      usage: null,
    }
    const lines = statusText(statusOf(snapshot({ vms: [evil, { ...evil, pid: 2 }] }), null), {
      width: Number.POSITIVE_INFINITY,
      heading: null,
    })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    t.notOk(lines.some(({ text }) => /[\x00-\x1f\x7f-\x9f\u2028\u202e]/.test(text)))
  }
})

t.test('drift is red where there is colour, and marked in any case', async (t) => {
  const drifted = once(80).filter(({ text }) => /^! vCPU 1 /.test(text))
  t.same(
    drifted.map((line) => paint(line, true).replace(/ .* /, ' … ')),
    ['\x1b[1;31m! … 12345\x1b[0m'],
  )
  t.ok(once(80).every((line) => (line.style === 'alarm') === line.text.startsWith('!')))
  t.notMatch(
    once(80)
      .map((line) => paint(line, false))
      .join(''),
    '\x1b',
  )
})

t.test('a terminal with fewer rows says what is not shown', async (t) => {
  const lines = once(80)
  t.same(fitRows(lines, lines.length), lines)
  t.same(
    fitRows(lines, 4).map(({ text }) => text.trimEnd().slice(0, 40)),
    [
      '! 1 VM, 2 of 4 threads are not as planne',
      '',
      'plc-1  PID 4711  profile rt  CPU 102.5 %',
      `… ${lines.length - 3} more lines, 3 of them with !`,
    ],
  )
  t.equal(fitRows(lines, lines.length - 1).at(-1)?.text, '… 2 more lines')
})

type Interrupts = NonNullable<VmSnapshot['interrupts']>

t.test('interrupts of devices: a line each, and what is wrong with it', async (t) => {
  const own = { ...smallVm('plc-1', 100, '4'), interrupts: [] as Interrupts }
  const on = (cpus: number[], count = 7): Interrupts => [
    {
      address: address('0000:03:00.1'),
      all: [
        { irq: 24, cpus, count },
        { irq: 25, cpus, count: 0 },
      ],
    },
  ]
  const vm = (interrupts: Interrupts, wanted?: string): VmSnapshot => ({
    ...own,
    plan: {
      ...own.plan,
      nics: [{ name: 'line0', address: address('0000:03:00.1') }],
      ...(wanted === undefined
        ? {}
        : { interrupts: [{ address: address('0000:03:00.1'), cpus: cpuSet(wanted), priority: null }] }),
    },
    interrupts,
  })
  const other = smallVm('plc-2', 200, '5')
  const text = (now: VmSnapshot, before?: VmSnapshot) =>
    textOf(
      statusText(
        statusOf(
          snapshot({ vms: [now, other] }),
          before === undefined ? null : snapshot({ at: 9000, vms: [before] }),
        ),
        { width: 120, heading: null },
      ),
    )
  t.match(text(vm(on([0, 1]), '0-1')), /^ {2}interrupts of line0 \(0000:03:00\.1\): 24-25 on CPU 0-1, 7$/m)
  t.match(text(vm(on([0]), '0-1'), vm(on([0], 3), '0-1')), /on CPU 0, 7 \+4$/m)
  t.match(text(vm([{ address: address('0000:03:00.1'), all: [] }])), /^ {2}interrupts of .*: none yet$/m)
  t.notMatch(text(vm(on([4]), '4')), /^! inter/m, 'asked for')
  t.match(
    text(vm(on([4]))),
    /^! interrupts of line0 are on real-time CPU 4; write interrupts = \{ cpus = "housekeeping" \}/m,
  )
  t.match(
    text(vm(on([6]), '0-1')),
    /^! interrupts of line0 are on real-time CPU 6; run as root: qemu-rt tune --pid 100$/m,
  )
  t.match(text(vm(on([5]), '5')), /are on CPU 5, a real-time vCPU's of plc-2; /, 'whatever was asked for')
  t.match(text(vm(on([1]), '0')), /are on CPU 1, elsewhere than planned; run as root: /)
  t.match(text(vm(on([1]), '0')), /^! 2 VMs, interrupts of 1 device elsewhere$/m)
})
