import t from 'tap'
import { findOptions, parseCommandLine, wordsOf } from '../../src/argv/command-line.js'
import { busToName, freeSlots, losesSlot } from '../../src/plan/nics/free-slots.js'
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
      const added = freeSlots(parseCommandLine(wordsOf(args)), machine).map(
        (slot) => `virtio-rng-pci,addr=0x${slot.toString(16)}`,
      )
      t.equal(added.length, 28)
      const qemu = startQemu(t, 'qemu', [...args, ...added.flatMap((argument) => ['-device', argument])])
      const qmp = await qemu.qmp()
      t.ok(await qmp.execute('query-status'), qemu.stderr())
    },
  )
}

for (const { machine, lowest } of [
  { machine: 'pc', lowest: 2 },
  { machine: 'q35', lowest: 1 },
]) {
  t.test(`${machine}: QEMU itself gives away the slot that a device written in JSON has`, async (t) => {
    if (!needs(t, ['/usr/bin/qemu-system-x86_64'])) return
    const start = (slot: number) => {
      const later = `{"driver":"virtio-rng-pci","addr":"0x${slot}"}`
      const args = [
        '-M',
        machine,
        '-m',
        '32',
        '-nodefaults',
        '-S',
        '-device',
        later,
        '-device',
        'virtio-rng-pci',
      ]
      const line = parseCommandLine(wordsOf(args))
      const losing = losesSlot(line, findOptions(line, 'device').at(-1)?.index ?? 0, machine)
      return { qemu: startQemu(t, 'qemu', args), losing }
    }
    const bad = start(lowest)
    t.ok(bad.losing)
    await t.rejects(bad.qemu.qmp())
    await waitFor("QEMU's reason", 5, () =>
      bad.qemu.stderr().includes(`slot ${lowest} function 0 not available`),
    )
    const good = start(lowest + 1)
    t.notOk(good.losing)
    t.ok(await (await good.qemu.qmp()).execute('query-status'), good.qemu.stderr())
  })
}

t.test('q35: what -usb, -net and a second host bridge take is left to them', async (t) => {
  if (!needs(t, ['/usr/bin/qemu-system-x86_64'])) return
  const args = [
    ...['-M', 'q35', '-usb', '-m', '32', '-S', '-net', 'nic,model=e1000,addr=1c'],
    ...[
      '-device',
      LAST.replace('}', ',"bus":"pcie.0"}'),
      '-device',
      'pxb-pcie,id=pxb,bus_nr=128,bus=pcie.0,addr=0x1b',
    ],
  ]
  const line = parseCommandLine(wordsOf(args))
  const bus = busToName(line, 'q35')
  const added = freeSlots(line, 'q35').map((slot) => `virtio-rng-pci,bus=${bus},addr=0x${slot.toString(16)}`)
  t.equal(added.length, 25)
  const qemu = startQemu(t, 'qemu', [...args, ...added.flatMap((argument) => ['-device', argument])])
  t.ok(await (await qemu.qmp()).execute('query-status'), qemu.stderr())
})

t.test('a device in keyval is made before a bridge in JSON, and one in JSON after it', async (t) => {
  if (!needs(t, ['/usr/bin/qemu-system-x86_64'])) return
  const port = '{"driver":"pcie-root-port","id":"pci.5","bus":"pcie.0","addr":"0x2"}'
  const start = (device: string) =>
    startQemu(t, 'qemu', ['-M', 'q35', '-m', '32', '-S', '-device', port, '-device', device])
  const early = start('virtio-rng-pci,bus=pci.5')
  await t.rejects(early.qmp())
  await waitFor("QEMU's reason", 5, () => early.stderr().includes("Bus 'pci.5' not found"))
  const late = start('{"driver":"virtio-rng-pci","bus":"pci.5"}')
  t.ok(await (await late.qmp()).execute('query-status'), late.stderr())
})
