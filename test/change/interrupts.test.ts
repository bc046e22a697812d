import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MOST_INTERRUPTS, setInterrupts, undoInterrupts } from '../../src/change/interrupts.js'
import { changeBans } from '../../src/change/irqbalance.js'
import { countsOf, interruptsOf } from '../../src/host/interrupts.js'
import type { Root } from '../../src/host/sysroot.js'
import type { TakenDevice } from '../../src/record/vm.js'
import { writeFiles } from '../host/made-host.js'
import { address } from '../plan/make.js'

const NIC = address('0000:03:00.1')
const DEVICE = `/sys/bus/pci/devices/${NIC}`
const AFFINITY = (irq: number) => `/proc/irq/${irq}/smp_affinity_list`
const ON_VFIO = { [`${DEVICE}/driver`]: { to: '../../../bus/pci/drivers/vfio-pci' } }
const VECTORS = Object.fromEntries(
  [24, 25].flatMap((irq) => [
    [`${DEVICE}/msi_irqs/${irq}`, 'msix\n'],
    [AFFINITY(irq), '0-3\n'],
  ]),
)
const LINE = { [`${DEVICE}/irq`]: '16\n', [AFFINITY(16)]: '0-3\n' }
const handlers = (text: string) => ({ '/sys/kernel/irq/16/actions': `${text}\n` })

/** A thread's stat: PF_KTHREAD, and kthreadd's child, unless it is said otherwise. */
const stat = (tid: number, name: string, { parent = 2, flags = 0x20_8040, priority = 50 } = {}) => ({
  [`/proc/${tid}/stat`]: `${tid} (${name}) S ${parent} 0 0 0 -1 ${flags} 0 0 0 0 0 0 0 0 -51 0 1 0 77 0 0 18446744073709551615 0 0 0 0 0 0 0 2147483647 0 0 0 0 17 0 ${priority} 1 0 0 0 0 0 0 0 0 0 0 0\n`,
})

function host(t: Test, ...files: Parameters<typeof writeFiles>[1][]) {
  const root = t.testdir({}) as Root
  for (const one of files) writeFiles(root, one)
  const commands: string[] = []
  const records: (readonly TakenDevice[])[] = []
  const affinity = (irq: number) => readFileSync(root + AFFINITY(irq), 'utf8').trim()
  const set = (cpus: number[] | null, priority: number | null = null, goesOn = () => true) =>
    setInterrupts(root, [{ address: NIC, cpus, priority }], {
      record(lines) {
        records.push(lines)
        return true
      },
      goesOn,
      async runProgram(command) {
        commands.push(command.join(' '))
        return null
      },
    })
  return { root, commands, records, affinity, set }
}

t.test('vectors are set, and nothing is done twice', async (t) => {
  const { set, affinity, records } = host(t, ON_VFIO, VECTORS)
  t.match(await set([0, 1]), { count: 2, changed: 2, refused: [], placed: [24, 25] })
  t.strictSame([affinity(24), affinity(25)], ['0-1', '0-1'])
  t.strictSame(records, [], 'they end with their QEMU: there is nothing to put back')
  t.match(await set([0, 1]), { count: 2, changed: 0, refused: [] })
  t.match(await set(null, 60), { placed: [] }, 'CPUs are left to others')
})

t.test('of what a guest makes only so much is looked at, and no longer than it may take', async (t) => {
  const many = Array.from({ length: MOST_INTERRUPTS + 8 }, (_, index) => 1000 + index)
  const { set, affinity } = host(
    t,
    ON_VFIO,
    ...many.map((irq) => ({ [`${DEVICE}/msi_irqs/${irq}`]: 'msix\n', [AFFINITY(irq)]: '0-3\n' })),
  )
  let looks = 0
  const few = await set([0], null, () => ++looks <= 3)
  t.match(few, { count: many.length, changed: 3, left: MOST_INTERRUPTS - 3, beyond: 8 })
  t.match(await set([0]), { changed: MOST_INTERRUPTS - 3, left: 0, beyond: 8 })
  t.equal(affinity(1000 + MOST_INTERRUPTS - 1), '0')
  t.equal(affinity(1000 + MOST_INTERRUPTS), '0-3')
})

t.test('a device that VFIO does not have is the host’s', async (t) => {
  const { set, affinity } = host(t, VECTORS, {
    [`${DEVICE}/driver`]: { to: '../../../bus/pci/drivers/igb' },
  })
  t.match(await set([0, 1]), { count: 0, changed: 0 })
  t.equal(affinity(24), '0-3')
})

t.test('an interrupt that is there no more is passed over', async (t) => {
  const { root, set } = host(t, ON_VFIO, VECTORS)
  rmSync(root + AFFINITY(24))
  t.match(await set([0, 1]), { count: 2, changed: 1, refused: [] })
})

t.test('one that becomes another device’s between the look and the change is not touched', async (t) => {
  const { root, set, affinity } = host(t, ON_VFIO, VECTORS)
  let isFreed = false
  const freed = set([0], null, () => {
    if (isFreed) return true
    isFreed = true
    // The guest has freed them, and another device has the number.
    rmSync(`${root}${DEVICE}/msi_irqs`, { recursive: true })
    writeFileSync(root + AFFINITY(24), '2\n')
    return true
  })
  t.match(await freed, { count: 2, changed: 0, refused: [] })
  t.strictSame([affinity(24), affinity(25)], ['2', '0-3'])
})

t.test('nothing is changed when what is to be put back cannot be kept', async (t) => {
  const { root, affinity } = host(t, ON_VFIO, LINE, handlers(`vfio-intx(${NIC})`))
  const set = (isKept: boolean) =>
    setInterrupts(root, [{ address: NIC, cpus: [0], priority: null }], {
      record: () => isKept,
      goesOn: () => true,
    })
  t.match(await set(false), { count: 1, changed: 0, left: 1 })
  t.equal(affinity(16), '0-3')
  t.match(await set(true), { count: 1, changed: 1, left: 0 })
  t.equal(affinity(16), '0')
})

t.test('threads of the kernel alone get the priority, those of these interrupts', async (t) => {
  const { set, commands } = host(t, ON_VFIO, VECTORS, {
    ...stat(801, 'irq/24-vfio-msix[0](0000:03:00.1)'),
    ...stat(802, 'irq/25-vfio-msix[1](0000:03:00.1)', { priority: 60 }),
    ...stat(803, 'irq/26-eth0'),
    ...stat(804, 'irq/24-vfio-msix', { parent: 1 }),
    ...stat(805, 'irq/24-vfio-msix', { flags: 0x40_0000 }),
  })
  t.match(await set(null, 60), { count: 2, changed: 1 })
  t.strictSame(commands, ['chrt --fifo --pid 60 801'])
})

t.test('a line is set that the device alone is handled on, and named where others share it', async (t) => {
  const alone = host(t, ON_VFIO, LINE, handlers(`vfio-intx(${NIC})`))
  t.match(await alone.set([0]), { count: 1, changed: 1 })
  t.equal(alone.affinity(16), '0')
  t.strictSame(alone.records, [[{ address: NIC, interrupts: [{ irq: 16, cpus: [0, 1, 2, 3] }] }]])

  const shared = host(t, ON_VFIO, LINE, handlers(`vfio-intx(${NIC}),ehci_hcd:usb1`))
  t.match(await shared.set([0]), { count: 1, changed: 0, refused: [{ irq: 16, why: /other devices/ }] })
  t.equal(shared.affinity(16), '0-3')

  const theirs = host(t, ON_VFIO, LINE, handlers('ehci_hcd:usb1'))
  t.match(await theirs.set([0]), { count: 0, changed: 0 }, 'the line of another device')
  t.equal(theirs.affinity(16), '0-3')

  const beside = host(t, ON_VFIO, LINE, VECTORS, handlers('ehci_hcd:usb1'))
  t.strictSame(
    interruptsOf(beside.root, NIC).own.map(({ number }) => number),
    [24, 25],
  )
})

t.test('a line goes back when its QEMU has ended, and not when another device has it', async (t) => {
  const before: TakenDevice = { address: NIC, interrupts: [{ irq: 16, cpus: [0, 1, 2, 3] }] }
  const now = { ...LINE, [AFFINITY(16)]: '0\n' }
  const idle = host(t, ON_VFIO, now, handlers(''))
  undoInterrupts(idle.root, before)
  t.equal(idle.affinity(16), '0-3')

  const taken = host(t, ON_VFIO, now, handlers('ehci_hcd:usb1'))
  undoInterrupts(taken.root, before)
  t.equal(taken.affinity(16), '0')

  const elsewhere = host(t, ON_VFIO, now, handlers(''))
  undoInterrupts(elsewhere.root, { address: NIC, interrupts: [{ irq: 17, cpus: [3] }] })
  t.equal(elsewhere.affinity(16), '0', 'a vector that is gone')
})

t.test('interrupts are counted over all CPUs', async (t) => {
  const text =
    '           CPU0       CPU1\n 24:         13          2  IR-PCI-MSI 1-edge  vfio-msix[0](x)\nNMI:  1 1 x\n'
  t.strictSame([...countsOf(text)], [[24, 15]])
})

/** The directory must be root's. */
const AS_ROOT = { skip: process.getuid?.() !== 0 && 'not root' }

/** What irqbalance does with its socket (irqbalance.c, sock_handle): one request a connection. */
function irqbalance(t: Test, answer: string) {
  // A socket's path has 107 bytes at most.
  const root = mkdtempSync(join(tmpdir(), 'irq-')) as Root
  t.teardown(() => rmSync(root, { recursive: true }))
  mkdirSync(`${root}/run/irqbalance`, { recursive: true, mode: 0o755 })
  const heard: string[] = []
  const server: Server = createServer((socket) => {
    socket.once('data', (data) => {
      const text = data.toString()
      heard.push(text)
      socket.end(text === 'setup' ? answer : '')
    })
  })
  t.teardown(() => server.close())
  return {
    root,
    heard,
    change: (add: number[], remove: number[]) => changeBans(root, () => ({ add, remove })),
    listen: () =>
      new Promise<void>((done) => server.listen(`${root}/run/irqbalance/irqbalance42.sock`, done)),
  }
}

const BANNED = 'SLEEP 10 IRQ 7 LOAD 0 DIFF 0 CLASS 0 IRQ 30 LOAD 0 DIFF 0 CLASS -1 BANNED 00000000,0000000c'

t.test('irqbalance is told by its socket, beside what it was told before', AS_ROOT, async (t) => {
  const { heard, listen, change } = irqbalance(t, BANNED)
  await listen()
  t.strictSame(await change([24, 25], [30]), [])
  t.strictSame(heard, ['setup', 'settings ban irqs 7 24 25'])
  heard.length = 0
  t.strictSame(await change([7], []), [])
  t.strictSame(heard, ['setup'], 'nothing new')
  heard.length = 0
  t.strictSame(await change([], [7, 30]), [])
  t.strictSame(heard.at(-1), 'settings ban irqs NONE')
})

t.test('what irqbalance does not say to the end is not known, and changes nothing', AS_ROOT, async (t) => {
  const cut = [
    '',
    'SLEEP 10 ',
    BANNED.slice(0, 40),
    BANNED.slice(0, BANNED.indexOf('BANNED') + 6),
    `x${BANNED}`,
  ]
  for (const answer of cut) {
    const { heard, listen, change } = irqbalance(t, answer)
    await listen()
    t.match(await change([24], [7]), [/^irqbalance did not say to the end/], answer)
    t.strictSame(heard, ['setup'])
  }
})

t.test('without irqbalance nothing is told', async (t) => {
  const root = t.testdir({}) as Root
  t.strictSame(await changeBans(root, () => ({ add: [24], remove: [] })), [])
})
