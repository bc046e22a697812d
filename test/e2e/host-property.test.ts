import t from 'tap'
import { readHostProperty } from '../../src/plan/nics/host-property.js'
import { run } from '../launcher/run.js'
import { needs } from './needs.js'

const QEMU = '/usr/bin/qemu-system-x86_64'

/** No such device is anywhere: QEMU ends with the address that it has understood. */
const DEVICE = 'ff3f:7e:1d'

const ONES = 'f'.repeat(16)

const TEXTS = [
  ...['', '0x', '+', ' ', '\t\v', '0000'].map((before) => `${before}${DEVICE}.5`),
  ...['ff3f:0x7e:1d.5', 'ff3f: 7e:+1d. 5', 'FF3F:7E:1D.5', 'ff3f:07e:001d.0005', '-0:7e:1d.5', '7e:1d.5'],
  ...[`-${ONES}:7e:1d.5`, `${ONES}:7e:1d.5`, `1${ONES}:7e:1d.5`, `-1${ONES}:7e:1d.5`],
  ...[
    '7e:10000001d.5',
    '7e:1d.4294967301',
    '7e:-ffffffff.5',
    `7e:1d.${'0'.repeat(99)}5`,
    `${'9'.repeat(99)}:1d.5`,
  ],
  ...[
    '10000:7e:1d.5',
    '17e:1d.5',
    '7e:20.5',
    '7e:1d.8',
    '7e:1d.0x5',
    '7e:1d.5 ',
    '7e:1d',
    '7e:1d.',
    '7e:.5',
    ':1d.5',
  ],
  ...['0x:1d.5', '7e:0xg.5', '0x0x7e:1d.5', '+-7e:1d.5', '0:0:7e:1d.5', '7e:1d.5.5', '7e;1d.5', '', 'nic:x'],
]

t.test("QEMU's own reading of vfio-pci's host= is ours", async (t) => {
  if (!needs(t, [QEMU])) return
  for (const text of TEXTS) {
    const properties = `vfio-pci,host=${text}`
    const { stderr } = await run([QEMU, '-machine', 'q35', '-S', '-display', 'none', '-device', properties])
    const understood = /devices\/([\da-f:.]+): no such host device/.exec(stderr)?.[1] ?? null
    if (understood === null) t.match(stderr, "doesn't take value", JSON.stringify(text))
    t.equal(readHostProperty(text), understood, JSON.stringify(text))
  }
})
