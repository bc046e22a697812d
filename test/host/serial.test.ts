import t from 'tap'
import { readHostFacts } from '../../src/host/read.js'
import { device, madeHost, uevent } from './made-host.js'

/** Configuration space with capabilities at offsets; each points to the next. */
function config(
  capabilities: Readonly<Record<number, { id: number; next: number; body?: string }>>,
  size = 4096,
): Buffer {
  const bytes = Buffer.alloc(size)
  for (const [offset, { id, next, body = '' }] of Object.entries(capabilities)) {
    bytes.writeUInt32LE(((next << 20) | (1 << 16) | id) >>> 0, Number(offset))
    bytes.write(body, Number(offset) + 4, 'hex')
  }
  return bytes
}

const LSPCI = 'a0-36-9f-ff-ff-12-34-56'
const IN_MEMORY = '563412ffff9f36a0'

t.test(
  'the serial number is found along the chain of extended capabilities, and written as lspci does',
  async (t) => {
    const cases: [string, Buffer, string | null][] = [
      ['first', config({ 256: { id: 3, next: 0, body: IN_MEMORY } }), LSPCI],
      [
        'after others',
        config({
          256: { id: 1, next: 0x140 },
          320: { id: 0xb, next: 0xff0 },
          4080: { id: 3, next: 0, body: IN_MEMORY },
        }),
        LSPCI,
      ],
      ['not there', config({ 256: { id: 1, next: 0 } }), null],
      [
        'a chain that bites its tail',
        config({ 256: { id: 1, next: 0x140 }, 320: { id: 2, next: 0x100 } }),
        null,
      ],
      ['a pointer into the old header', config({ 256: { id: 1, next: 0x40 } }), null],
      ['no number in it', config({ 256: { id: 3, next: 0, body: '0000000000000000' } }), null],
      ['a card that does not answer', Buffer.alloc(4096, 0xff), null],
      ['conventional PCI', Buffer.alloc(256), null],
      ['what the kernel shows to others than root', Buffer.alloc(64), null],
    ]
    for (const [name, bytes, serial] of cases) {
      const path = device('0000:03:00.0')
      const root = madeHost(t, { [`${path}/uevent`]: uevent('igb'), [`${path}/config`]: bytes })
      t.equal(readHostFacts(root).pci[0]?.serial, serial, name)
    }
  },
)

t.test('a virtual function has the number of its card', async (t) => {
  const pf = device('0000:3b:00.0')
  const root = madeHost(t, {
    [`${pf}/uevent`]: uevent('i40e'),
    [`${pf}/config`]: config({ 256: { id: 3, next: 0, body: IN_MEMORY } }),
    [`${pf}/sriov_totalvfs`]: '1\n',
    [`${pf}/sriov_numvfs`]: '1\n',
    [`${pf}/virtfn0`]: { to: '../0000:3b:02.0' },
    [`${device('0000:3b:02.0')}/uevent`]: uevent('vfio-pci'),
  })
  t.equal(readHostFacts(root).pci[1]?.serial, LSPCI)
})
