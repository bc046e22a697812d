import t from 'tap'
import { parseCommandLine, wordsOf } from '../../src/argv/command-line.js'
import { contradictionsOf } from '../../src/libvirt/contradictions.js'
import { readCputune } from '../../src/libvirt/cputune.js'
import { readDomain } from '../../src/libvirt/domain.js'
import { madeArguments } from '../../src/libvirt/made-command.js'
import { guestNodes } from '../../src/plan/threads/guest-nodes.js'
import { countVcpus } from '../../src/plan/threads/smp.js'
import { planOf } from '../plan/make.js'
import { failureOf, within } from './within.js'

const MOST = 4096

const nodesOf = (...args: readonly string[]) => {
  const line = parseCommandLine(wordsOf(args))
  return guestNodes(line, countVcpus(line))
}
const times = <T>(count: number, args: (index: number) => readonly T[]) =>
  Array.from({ length: count }, (_, index) => args(index)).flat()

const nodes = (count: number, rest = '') => times(count, () => ['-numa', `node${rest}`])

t.test('the nodes of vCPUs are found in a time that grows with the command line', async (t) => {
  const smp = times(2000, () => ['-smp', `${MOST}`])
  const cases: readonly [what: string, args: readonly string[]][] = [
    ['-smp again and again', [...smp, ...nodes(128, ',cpus=0')]],
    ['with places', [...smp, ...nodes(128), '-numa', 'cpu,node-id=1,core-id=1']],
    ['many nodes of all vCPUs', ['-smp', `${MOST}`, ...nodes(4000, `,cpus=0-${MOST - 1}`)]],
    ['many ranges', ['-smp', `${MOST}`, ...nodes(2, `,cpus=0-${MOST - 1}`.repeat(50_000))]],
    ['many nodes of one number', ['-smp', `${MOST}`, ...nodes(4000, ',nodeid=0')]],
    [
      'many places',
      [
        '-smp',
        `${MOST}`,
        ...nodes(128),
        ...times(5000, (at) => ['-numa', `cpu,node-id=${at % 128},thread-id=${at}`]),
      ],
    ],
    [
      'many places of one core',
      ['-smp', `${MOST}`, ...nodes(128), ...times(5000, () => ['-numa', 'cpu,node-id=1,core-id=1'])],
    ],
  ]
  for (const [what, args] of cases) {
    const found = within(t, 200, what, () => nodesOf(...args))
    t.equal(found.flatMap(({ vcpus }) => vcpus).length, MOST, what)
  }
})

t.test('as many vCPUs as QEMU takes are planned, and no more', async (t) => {
  const config =
    '[host]\nhousekeeping = "0-1"\n[profile.rt]\nvcpus = { cpus = "housekeeping", policy = "batch" }\n'
  const planned = (count: number) =>
    planOf(['-smp', `${count}`, ...nodes(128)], { config, options: ['--profile', 'rt'] }).threads?.vcpus
      .length
  t.equal(
    within(t, 500, 'all', () => planned(MOST)),
    MOST,
  )
  t.equal(
    failureOf(() => planned(MOST + 1)),
    `-smp gives ${MOST + 1} vCPUs, and no machine has more than ${MOST}; write how many the guest is to have, such as -smp 4 (exit 65)`,
  )
})

t.test("what libvirt says of memory is compared in a time that grows with the domain's XML", async (t) => {
  const cells = times(20_000, (id) => [`<cell id='${id}' cpus='0-${MOST - 1}' memory='1'/>`]).join('')
  const places = times(20_000, (id) => [`<memnode cellid='${id}' mode='strict' nodeset='1'/>`]).join('')
  const xml = `<domain type='kvm'><name>vm</name><vcpu>${MOST}</vcpu><numatune>${places}</numatune><cpu><numa>${cells}</numa></cpu></domain>`
  const vcpus = Array.from({ length: MOST }, (_, vcpu) => ({
    vcpu,
    cpus: [0, 1],
    policy: null,
    priority: null,
  }))
  const threads = { vcpus, iothreads: [], emulator: null, workers: null, vhost: null }
  const { root } = readDomain(xml, 'vm.xml')
  const found = within(t, 300, 'cells', () =>
    contradictionsOf(readCputune(root), threads, { 0: [0, 1], 1: [2, 3] }),
  )
  t.equal(found.length, 128, 'as many as QEMU has nodes')
})

t.test(
  "host nodes, pins and cells of a domain are read in a time that grows with the domain's XML",
  async (t) => {
    const pins = times(4096, (id) => [
      `<vcpupin vcpu='${id}' cpuset='0-8191'/><iothreadpin iothread='${id + 1}' cpuset='0-8191'/>`,
    ])
    const again = times(20_000, () => [`<vcpupin vcpu='1' cpuset='0-8191'/>`])
    const cells = times(20_000, (id) => [`<cell id='${id}' cpus='${id}' memory='1024'/>`])
    const memory = "<memory mode='strict' nodeset='0-8191'/>"
    const xml = (inside: string) =>
      readDomain(`<domain type='kvm'><name>vm</name><vcpu>2</vcpu>${inside}</domain>`, 'vm.xml')
    const pinned = xml(`<cputune>${pins.join('')}${again.join('')}</cputune>`)
    const vcpus = times(4096, (vcpu) => [{ vcpu, cpus: [0, 1], policy: null, priority: null }])
    const threads = { vcpus, iothreads: [], emulator: null, workers: null, vhost: null }
    within(t, 300, 'pins', () => contradictionsOf(readCputune(pinned.root), threads, {}))
    const placed = xml(`<numatune>${memory}</numatune><cpu><numa>${cells.join('')}</numa></cpu>`)
    within(t, 300, 'cells', () => madeArguments(placed))
    const keys = times(20_000, (at) => [`host-nodes.${at}=0-8191`]).join(',')
    const backend = ['-object', `memory-backend-ram,id=m,size=1G,policy=bind,${keys}`]
    const found = within(t, 300, 'host nodes', () =>
      nodesOf('-smp', '2', '-machine', 'q35,memory-backend=m', ...backend),
    )
    t.equal(found[0]?.boundTo.length, 128, 'as many as QEMU knows')
  },
)

t.test(
  'threads of cores that the command line plugs are counted no further than there may be vCPUs',
  async (t) => {
    const plugged = (threads: number, cores: number) => [
      ...['-smp', `1,maxcpus=4096,threads=${threads}`],
      ...times(cores, (at) => ['-device', `x-cpu-core,core-id=${4095 - (at % 4096)}`]),
    ]
    const counted = (threads: number, cores: number) =>
      within(t, 300, `${cores} cores of ${threads}`, () =>
        countVcpus(parseCommandLine(wordsOf(plugged(threads, cores)))),
      )
    t.equal(counted(10_000_000, 1).present, 4096)
    t.equal(counted(4096, 8192).present, 4096)
  },
)
