import t from 'tap'
import type { Root } from '../../src/host/sysroot.js'
import { makeInterruptReader } from '../../src/status/read-interrupts.js'
import { device, madeHost } from '../host/made-host.js'
import { address } from '../plan/make.js'

const NICS = Array.from({ length: 80 }, (_, index) =>
  address(`0000:${(3 + (index >> 3)).toString(16).padStart(2, '0')}:00.${index & 7}`),
)
const numbers = (index: number) =>
  index === 0 ? Array.from({ length: 600 }, (_, n) => 1000 + n) : [100 + index]

const host = (t: Parameters<typeof madeHost>[0]) =>
  madeHost(
    t,
    Object.fromEntries(
      NICS.flatMap((nic, index) => [
        [`${device(nic)}/driver`, { to: '../../../bus/pci/drivers/vfio-pci' }],
        ...numbers(index).flatMap((irq) => [
          [`${device(nic)}/msi_irqs/${irq}`, 'msix\n'],
          [`/proc/irq/${irq}/effective_affinity_list`, '2\n'],
        ]),
      ]),
    ),
  ) as Root

t.test('devices are those of root’s record, and so many at most', async (t) => {
  const read = makeInterruptReader(host(t))
  const shown = read(4711, { word: 0, lease: { nics: [...NICS, ...NICS], cpus: [] } })
  t.equal(shown.length, 64)
  t.equal(shown[0]?.all.length, 512)
  t.match(shown[1], { address: NICS[1], all: [{ irq: 101, cpus: [2], count: 0 }] })
})

t.test('what a user says that its VM has does not count: its process must have it open', async (t) => {
  const read = makeInterruptReader(host(t))
  t.strictSame(read(4711, { word: 1000, lease: { nics: NICS, cpus: [] } }), [])
  t.strictSame(read(4711, null), [])
})
