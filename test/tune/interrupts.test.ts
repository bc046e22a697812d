import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import t, { type Test } from 'tap'
import { openSysroot } from '../../src/host/sysroot.js'
import { devicesOpenedBy } from '../../src/host/use/open-nodes.js'
import { followInterrupts } from '../../src/libvirt/hook/follow.js'
import { releaseRecords } from '../../src/libvirt/hook/records.js'
import { processId } from '../../src/record/process-id.js'
import { readRootsRecord, writeRootsRecord } from '../../src/record/root/records.js'
import { NEW_VM, type VmRecord } from '../../src/record/vm.js'
import { banFor } from '../../src/tune/bans.js'
import { type InterruptsOfVm, tuneInterrupts } from '../../src/tune/interrupts.js'
import { openNode, writeFiles } from '../host/made-host.js'
import { address } from '../plan/make.js'

const NIC = address('0000:03:00.1')
const OTHER = address('0000:03:00.2')
const DEVICE = `/sys/bus/pci/devices/${NIC}`
const LINE = '/proc/irq/16/smp_affinity_list'
const VECTOR = '/proc/irq/24/smp_affinity_list'
const ID = 'libvirt-c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'
const SECOND = 'libvirt-d1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'
const NODE = { path: '/dev/vfio/12', uid: 0 }

/** This process is the QEMU of each VM here. */
const QEMU = processId(process.pid)
/** The process of the next start of the same domain. */
const NEXT = { ...QEMU, startTicks: QEMU.startTicks + 1 }

const vm = (facts: Partial<VmRecord> = {}): VmRecord => ({
  ...NEW_VM,
  id: ID,
  guest: { name: 'plc-1', uuid: ID.slice('libvirt-'.length) },
  process: QEMU,
  interrupts: [{ address: NIC, cpus: [0], priority: null }],
  ...facts,
})
const start = ({ id, process, interrupts = [] }: VmRecord): InterruptsOfVm => ({
  id,
  process: process ?? QEMU,
  interrupts,
})

const opened = (root: string, fd: number, node: string, place: string, flags?: string) =>
  openNode(root, { pid: process.pid, fd, node, place, ...(flags === undefined ? {} : { flags }) })

/** A device that this process has by its group, with the line of its slot. */
function host(t: Test, root: string = t.testdir({})) {
  writeFiles(root, {
    ...opened(root, 7, '12', '../../devices/virtual/vfio/12'),
    [`/sys/kernel/iommu_groups/12/devices/${NIC}`]: '',
    [`${DEVICE}/driver`]: { to: '../../../bus/pci/drivers/vfio-pci' },
    [`${DEVICE}/irq`]: '16\n',
    '/sys/kernel/irq/16/actions': `vfio-intx(${NIC})\n`,
    [LINE]: '0-3\n',
  })
  const read = (path: string) => readFileSync(root + path, 'utf8').trim()
  const makeVector = () => writeFiles(root, { [`${DEVICE}/msi_irqs/24`]: 'msix\n', [VECTOR]: '0-3\n' })
  return { root, read, makeVector }
}

t.test('what is to be put back is added to what the record has by then', async (t) => {
  const { root, read } = host(t)
  // What somebody had read of it before.
  const early = start(vm())
  writeRootsRecord(
    root,
    vm({
      undo: [
        { address: NIC, driver: 'igb', node: NODE },
        { address: OTHER, driver: 'igb' },
      ],
    }),
  )
  t.match(await tuneInterrupts(root, early), { count: 1, changed: 1, problems: [] })
  t.equal(read(LINE), '0')
  const undo = [
    { address: NIC, driver: 'igb', node: NODE, interrupts: [{ irq: 16, cpus: [0, 1, 2, 3] }] },
    { address: OTHER, driver: 'igb' },
  ]
  t.strictSame(readRootsRecord(root, ID)?.undo, undo)
  writeFileSync(root + LINE, '2\n')
  await tuneInterrupts(root, early)
  t.equal(read(LINE), '0')
  t.strictSame(readRootsRecord(root, ID)?.undo, undo, 'as it was first')
})

t.test('an ended start changes nothing of the next one, and nothing of one that was released', async (t) => {
  const { root, read } = host(t)
  const next = vm({ process: NEXT, undo: [{ address: NIC, driver: 'igb' }] })
  writeRootsRecord(root, next)
  t.match(await tuneInterrupts(root, start(vm()), { goesOn: () => true }), { changed: 0 })
  t.strictSame(readRootsRecord(root, ID), next)
  rmSync(`${root}/run/qemu-rt/vms/${ID}.json`)
  t.match(await tuneInterrupts(root, start(vm()), { goesOn: () => true }), { changed: 0 })
  t.equal(readRootsRecord(root, ID), null)
  t.equal(read(LINE), '0-3')
})

t.test('a record that cannot be written changes nothing, and ends no VM', async (t) => {
  const { root, read } = host(t)
  writeRootsRecord(root, vm())
  mkdirSync(`${root}/run/qemu-rt/vms/.lock`)
  t.match(await tuneInterrupts(root, start(vm())), { changed: 0, problems: [/EISDIR/] })
  t.equal(read(LINE), '0-3')
})

t.test('it follows what a guest makes, and ends with the record of its start', async (t) => {
  const { root, read, makeVector } = host(t)
  writeRootsRecord(root, vm())
  const waits: number[] = []
  const steps = [
    makeVector,
    () => t.equal(read(VECTOR), '0', 'set'),
    // A driver that is loaded anew.
    () => writeFileSync(root + VECTOR, '0-3\n'),
    () => t.equal(read(VECTOR), '0', 'set again'),
    () => writeFileSync(root + VECTOR, '0-3\n'),
    // The domain is started anew in the same moment.
    () => {
      writeFileSync(root + VECTOR, '2\n')
      writeRootsRecord(root, vm({ process: NEXT }))
    },
  ]
  await followInterrupts(root, start(vm()), {
    async wait(ms) {
      waits.push(ms)
      steps.shift()?.()
    },
  })
  t.strictSame(steps, [])
  t.equal(read(VECTOR), '2', 'the next start’s is its own')
  t.strictSame(readRootsRecord(root, ID), vm({ process: NEXT }))
  t.ok(waits.every((ms) => ms >= 1000))
})

t.test('it ends with its process, told by the start that was recorded', async (t) => {
  const { root, read } = host(t)
  writeRootsRecord(root, vm({ process: NEXT }))
  await followInterrupts(root, start(vm({ process: NEXT })), { wait: async () => void t.fail('it goes on') })
  t.equal(read(LINE), '0-3')
})

t.test('a group that is open is its process’s, a node of its own may be open to others', async (t) => {
  const { root } = host(t)
  t.strictSame(devicesOpenedBy(openSysroot(root), process.pid), { groups: [NIC], own: [] })
  const named = `${t.testdir({})}/named`
  writeFiles(named, {
    ...opened(named, 7, '12', '../../devices/virtual/vfio/12', '012000000'),
    [`/sys/kernel/iommu_groups/12/devices/${NIC}`]: '',
  })
  t.strictSame(devicesOpenedBy(openSysroot(named), process.pid), { groups: [], own: [] }, 'O_PATH')
  const cdev = `${named}-cdev`
  writeFiles(cdev, opened(cdev, 7, 'devices/vfio3', `../../devices/pci0000:00/${OTHER}/vfio-dev/vfio3`))
  t.strictSame(devicesOpenedBy(openSysroot(cdev), process.pid), { groups: [], own: [OTHER] })
})

/** An irqbalance with what an administrator has told it. The directory must be root's. */
async function withIrqbalance(t: Test, banned: number[]) {
  // A socket's path has 107 bytes at most.
  const root = mkdtempSync(join(tmpdir(), 'irq-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  mkdirSync(`${root}/run/irqbalance`, { recursive: true, mode: 0o755 })
  let list = banned
  const server = createServer((socket) => {
    socket.once('data', (data) => {
      const text = data.toString()
      const irqs = list.map((irq) => `IRQ ${irq} LOAD 0 DIFF 0 CLASS 0 `).join('')
      if (text !== 'setup') list = text.includes('NONE') ? [] : text.split(' ').slice(3).map(Number)
      // Two that ask at a time must not lose one another's.
      setTimeout(() => socket.end(text === 'setup' ? `SLEEP 10 ${irqs}BANNED 0` : ''), 20)
    })
  })
  t.teardown(() => server.close())
  await new Promise<void>((done) => server.listen(`${root}/run/irqbalance/irqbalance42.sock`, done))
  const release = (id: string) =>
    releaseRecords((record) => record.id === id, { sysroot: root, write: () => t.fail('nothing to write') })
  return { root, list: () => [...list].sort((a, b) => a - b), restart: () => (list = banned), release }
}

const AS_ROOT = { skip: process.getuid?.() !== 0 && 'not root' }

t.test('irqbalance keeps what an administrator and other VMs want when a VM ends', AS_ROOT, async (t) => {
  const { root, list, release, restart } = await withIrqbalance(t, [7, 30])
  const [one, two] = [vm(), vm({ id: SECOND })]
  for (const record of [one, two]) writeRootsRecord(root, record)
  t.strictSame(await banFor(root, start(one), [24, 25, 30]), [])
  t.strictSame(list(), [7, 24, 25, 30])
  t.strictSame(readRootsRecord(root, ID)?.banned, [24, 25], '30 was the administrator’s')
  // The guest has freed 25, and the kernel gives the number to the second VM.
  t.strictSame(await banFor(root, start(two), [25, 26]), [])
  t.strictSame(readRootsRecord(root, SECOND)?.banned, [25, 26])
  t.strictSame(await banFor(root, start(one), [24, 27]), [])
  t.strictSame(list(), [7, 24, 25, 26, 27, 30])
  restart()
  t.strictSame(await banFor(root, start(one), [24, 27]), [])
  t.strictSame(list(), [7, 24, 27, 30], 'told again after it was started anew')
  t.strictSame(await banFor(root, start(two), [24, 26]), [])
  t.strictSame(await release(ID), [])
  t.strictSame(list(), [7, 24, 26, 30])
  t.strictSame(await release(SECOND), [])
  t.strictSame(list(), [7, 30])
})

t.test('those that ask at a time do so one after the other', AS_ROOT, async (t) => {
  const { root, list } = await withIrqbalance(t, [7])
  const records = [1, 2, 3].map((n) => vm({ id: `libvirt-${n}1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a` }))
  for (const record of records) writeRootsRecord(root, record)
  // Each in a process of its own, as hooks are.
  const script = `
    import { banFor } from './src/tune/bans.ts'
    const [root, id, pid, startTicks, irq] = process.argv.slice(1)
    const left = await banFor(root, { id, process: { pid: Number(pid), startTicks: Number(startTicks) } }, [Number(irq)])
    if (left.length > 0) throw new Error(left.join())`
  const { buildSync } = await import('esbuild')
  const { outputFiles } = buildSync({
    stdin: { contents: script, resolveDir: process.cwd(), loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
  })
  const code = outputFiles[0]?.text ?? ''
  await Promise.all(
    records.map(({ id }, n) => {
      const args = [root, id, String(QEMU.pid), String(QEMU.startTicks), String(40 + n)]
      return execa(process.execPath, ['--input-type=module', '-e', code, '--', ...args])
    }),
  )
  t.strictSame(list(), [7, 40, 41, 42])
})
