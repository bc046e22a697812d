import t from 'tap'
import { cpuMap } from '../../src/status/cpu-map.js'
import { cpuSection } from '../../src/status/cpu-section.js'
import type { Snapshot } from '../../src/status/snapshot.js'
import { formatStrided } from '../../src/status/strided.js'
import { parseCpuSet } from '../../src/units/cpu-set.js'
import { cpuSet, cpus, plan, smallVm, snapshot, textOf, thread } from './make.js'

/** The map as text, without its title. */
function mapOf(made: Snapshot, width = 80): string {
  return textOf(cpuSection(cpuMap(made), width)).replace('\nCPUs of this host\n', '')
}

t.test('it says what CPUs are for, and who is planned there', async (t) => {
  t.equal(
    mapOf(snapshot({ vms: [smallVm('plc-1', 10, '4'), smallVm('plc-2', 20, '6')] })),
    `  CPU  FOR           PLANNED THERE
  0-1  housekeeping  emulator of plc-1, plc-2
  2-3  switch        -
  4    realtime      plc-1 vCPU 0 fifo 1
  5,7  realtime      free
  6    realtime      plc-2 vCPU 0 fifo 1
`,
  )
})

t.test(
  'offline CPUs, isolated ones without a purpose, and real-time ones that are not isolated',
  async (t) => {
    t.equal(
      mapOf(
        snapshot({
          cpus: cpus('0-7', '3-4', { online: cpuSet('0-5') }),
          sets: { housekeeping: [0], switch: null, realtime: cpuSet('4-6') },
        }),
      ),
      `  CPU  FOR                     PLANNED THERE
  0    housekeeping            -
  1-2  -                       -
  3    isolated                -
  4    realtime                free
  5    realtime, not isolated  free
  6    realtime, offline       -
  7    offline                 -
`,
    )
  },
)

t.test('NUMA nodes are named when there are several; 128 CPUs stay readable', async (t) => {
  const [even, odd] = [0, 1].map((first) => cpuSet(`${first}-127:2`)) as [number[], number[]]
  t.equal(
    mapOf(
      snapshot({
        cpus: cpus('0-127', '4-127', { nodes: { 0: even, 1: odd } }),
        sets: { housekeeping: cpuSet('0-3'), switch: null, realtime: cpuSet('4-127') },
        vms: [smallVm('plc-1', 10, '4')],
      }),
    ),
    `  CPU      NODE  FOR           PLANNED THERE
  0           0  housekeeping  emulator of plc-1
  1           1  housekeeping  emulator of plc-1
  2           0  housekeeping  -
  3           1  housekeeping  -
  4           0  realtime      plc-1 vCPU 0 fifo 1
  5-127:2     1  realtime      free
  6-126:2     0  realtime      free
`,
  )
})

for (const cpus of [
  '',
  '3',
  '0-3,8',
  '0,2,4',
  '0,2,4,6',
  '1,4-6,8-20:2,40,50-60:5,61-63',
  '0-3,64-67',
  '0,1,3,5,7',
]) {
  t.test(`a set with strides is the same set: ${cpus}`, async (t) => {
    t.same(parseCpuSet(formatStrided(cpuSet(cpus))), cpuSet(cpus))
  })
}

t.test('strides are for long runs only', async (t) => {
  t.equal(formatStrided(cpuSet('1,4-6,8-20:2,40,60,80')), '1,4-6,8-20:2,40,60,80')
  t.equal(formatStrided(cpuSet('0,2,4')), '0,2,4')
})

t.test('threads of one VM on one CPU are put together', async (t) => {
  const vcpus = [0, 1, 2].map((vcpu) => ({ vcpu, cpus: '0-1', ...(vcpu < 2 ? {} : { policy: 'batch' }) }))
  const iothreads = ['a', 'b'].map((id) => ({ id, cpus: '1' }))
  const settings = { vcpus, emulator: { cpus: '0' }, iothreads, workers: { cpus: '0' }, vhost: { cpus: '0' } }
  const vms = [{ pid: 10, plan: plan('plc-1', settings), threads: [], usage: null }]
  t.match(
    mapOf(snapshot({ vms }), 90),
    `
  0    housekeeping  plc-1 vCPU 0-1, vCPU 2 batch; emulator, worker, vhost of plc-1
  1    housekeeping  plc-1 vCPU 0-1, vCPU 2 batch; 2 I/O threads of plc-1
`,
  )
})

t.test('many VMs are counted, and those of the same name told apart', async (t) => {
  const four = ['a', 'b', 'c', 'd'].map((name, index) => smallVm(name, 10 * index, String(4 + index)))
  t.match(mapOf(snapshot({ vms: four })), '0-1  housekeeping  emulator of 4 VMs\n')
  const two = [smallVm('a', 10, '4'), smallVm('a', 20, '5')]
  t.match(mapOf(snapshot({ vms: two })), '\n  5    realtime      a (PID 20) vCPU 0 fifo 1\n')
})

const oneVcpu = (name: string, pid: number, cpus: string, more: object = {}) => ({
  pid,
  plan: plan(name, { vcpus: [{ vcpu: 0, cpus, ...more }] }),
  threads: [],
  usage: null,
})
const FIFO = { policy: 'fifo', priority: 1 }

for (const [what, made, expected] of [
  [
    'vCPUs of two VMs on one CPU are a conflict',
    snapshot({ vms: [smallVm('plc-1', 10, '4'), smallVm('plc-2', 20, '4')] }),
    '! CPU 4: vCPUs of plc-1 and plc-2\n',
  ],
  [
    'best-effort vCPUs of two VMs on one CPU, which is not for housekeeping',
    snapshot({ vms: [oneVcpu('a', 10, '4-7'), oneVcpu('b', 20, '4')] }),
    '! CPU 4: vCPUs of a and b\n',
  ],
  [
    'best-effort vCPUs of VMs may share housekeeping CPUs',
    snapshot({ vms: [oneVcpu('a', 10, '0-1'), oneVcpu('b', 20, '0-1')] }),
    '',
  ],
  [
    'a real-time vCPU on a housekeeping CPU',
    snapshot({ vms: [oneVcpu('a', 10, '1', FIFO)] }),
    '! CPU 1: real-time vCPU of a on a housekeeping CPU\n',
  ],
  [
    "anything on a switch's CPU",
    snapshot({ vms: [oneVcpu('a', 10, '3')] }),
    "! CPU 3: the switch's, but planned for a\n",
  ],
  [
    'anything on a CPU that is offline',
    snapshot({ vms: [oneVcpu('a', 10, '7')], cpus: cpus('0-7', '2-7', { online: cpuSet('0-6') }) }),
    '! CPU 7: offline, but planned for a\n',
  ],
  [
    'an emulator thread beside a real-time vCPU of another VM',
    snapshot({
      vms: [
        oneVcpu('a', 10, '4', FIFO),
        { pid: 20, plan: plan('b', { vcpus: [], emulator: { cpus: '4' } }), threads: [], usage: null },
      ],
    }),
    '! CPU 4: emulator of b beside a real-time vCPU of a\n',
  ],
] as const) {
  t.test(`conflict: ${what}`, async (t) => {
    const lines = textOf(cpuSection(cpuMap(made), 80)).split(/^(?=! CPU)/m)
    t.equal(lines.slice(1).join(''), expected)
    const marked = cpuMap(made).filter(({ conflicts }) => conflicts.length > 0)
    t.equal(
      textOf(cpuSection(cpuMap(made), 80)).match(/^! \d/gm)?.length ?? 0,
      marked.length,
      'rows are marked',
    )
  })
}

t.test('a host that does not say which CPUs it has', async (t) => {
  t.equal(textOf(cpuSection(cpuMap(snapshot({ cpus: null })), 80)), '')
})

t.test("a vCPU that is real-time where QEMU's main thread is, though no plan says so", async (t) => {
  const fifo = { policy: 'fifo' as const, priority: 1 }
  const vm = (main: string) => ({
    ...smallVm('nova-1', 10, '4'),
    plan: plan('nova-1', null),
    threads: [thread(10, 'qemu-system-x86', main), thread(11, 'CPU 0/KVM', '4', fifo)],
  })
  const conflicts = (main: string) =>
    cpuMap(snapshot({ vms: [vm(main)] })).flatMap((row) =>
      row.conflicts.map((text) => `${row.cpus}: ${text}`),
    )
  t.strictSame(conflicts('4-5'), [
    "4: vCPU 0 (fifo) of nova-1 where QEMU's main thread is, which it would starve",
  ])
  t.strictSame(conflicts('0-1'), [])
})
