import t from 'tap'
import { parseCommandLine, wordsOf } from '../../src/argv/command-line.js'
import { freeSlots } from '../../src/plan/nics/free-slots.js'
import { startQemu } from './launch.js'
import { needs } from './needs.js'
import { waitFor } from './wait.js'

/** What QEMU makes last, on the slot that it would give to the first device without an address. */
const LAST = '{"driver":"virtio-rng-pci","addr":"0x2"}'

for (const machine of ['pc', 'q35']) {
  t.test(
    `${machine}: every slot that is said to be free can be had beside devices written in JSON`,
    async (t) => {
      if (!needs(t, ['/usr/bin/qemu-system-x86_64'])) return
      const args = ['-M', machine, '-m', '32', '-S', '-device', LAST]
      const added = freeSlots(parseCommandLine(wordsOf(args))).map(
        (slot) => `virtio-rng-pci,addr=0x${slot.toString(16)}`,
      )
      t.equal(added.length, 28)
      const qemu = startQemu(t, 'qemu', [...args, ...added.flatMap((argument) => ['-device', argument])])
      const qmp = await qemu.qmp()
      t.ok(await qmp.execute('query-status'), qemu.stderr())
    },
  )
}

t.test('QEMU itself would give the slot of a device written in JSON away', async (t) => {
  if (!needs(t, ['/usr/bin/qemu-system-x86_64'])) return
  const qemu = startQemu(t, 'qemu', [
    '-M',
    'pc',
    '-m',
    '32',
    '-S',
    '-device',
    LAST,
    '-device',
    'virtio-rng-pci',
  ])
  await t.rejects(qemu.qmp())
  await waitFor("QEMU's reason", 5, () => qemu.stderr().includes('slot 2 function 0 not available'))
})
