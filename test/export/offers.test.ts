import t from 'tap'
import { withheldNotes } from '../../src/export/offers.js'
import { offered, threeNics } from './subject.js'

const POOL = '[nic.line]\nid = "8086:1521"\npool = true\n'
const ONE = '[nic.fieldbus0]\naddress = "0000:03:00.1"\n'

const counts = ({ offers }: ReturnType<typeof offered>) =>
  offers.map(({ name, units }) => [
    name,
    units.map(
      ({ devices, notReady }) =>
        `${devices.map(({ address }) => address.slice(-4)).join('+')}${notReady === null ? '' : '!'}`,
    ),
  ])

t.test('a device that a NIC of its own and a pool mean is counted once, for the NIC', async (t) => {
  for (const config of [POOL + ONE, ONE + POOL]) {
    const found = offered(config, threeNics())
    t.strictSame(counts(found), [
      ['fieldbus0', ['00.1']],
      ['line', ['00.0', '00.2']],
    ])
    t.strictSame(found.notes, ["NIC 'line': 0000:03:00.1 is counted for 'fieldbus0'"])
  }
})

t.test('of two pools the first by name has the devices that both mean', async (t) => {
  const found = offered(`${POOL}[nic.all]\nnuma-node = 0\npool = true\n`, threeNics({ 2: { numaNode: 1 } }))
  t.strictSame(counts(found), [
    ['all', ['00.0', '00.1']],
    ['line', ['00.2']],
  ])
})

t.test('an IOMMU group counts once, since one VM has it', async (t) => {
  t.strictSame(counts(offered(POOL, threeNics({ 1: { iommuGroup: 10 } }))), [['line', ['00.0+00.1', '00.2']]])
})

t.test('devices in no group are not one group', async (t) => {
  const none = { iommuGroup: null }
  t.strictSame(counts(offered(POOL, threeNics({ 0: none, 1: none }))), [['line', ['00.0!', '00.1!', '00.2']]])
})

t.test('what is not ready is said with its mending, and is not counted as ready', async (t) => {
  const found = offered(POOL, threeNics({ 0: { driver: 'igb', vfioNode: null } }))
  t.strictSame(counts(found), [['line', ['00.0!', '00.1', '00.2']]])
  t.match(
    withheldNotes(found.offers, ({ notReady }) => notReady),
    [/^NIC 'line': 0000:03:00\.0 is bound to igb.*run as root: qemu-rt nics bind 0000:03:00\.0$/],
  )
})

t.test('whether the user who exports may open the node says nothing', async (t) => {
  const node = { path: '/dev/vfio/10', access: 'denied' as const }
  t.strictSame(counts(offered(POOL, threeNics({ 0: { vfioNode: node } }))), [
    ['line', ['00.0', '00.1', '00.2']],
  ])
})

t.test('an empty inventory is explained', async (t) => {
  t.strictSame(offered('', threeNics()), {
    offers: [],
    notes: [
      "no NIC is configured; write a [nic.NAME] for each NIC that VMs may have, see 'qemu-rt nics list'",
    ],
  })
})

t.test('a name that means nothing, or too much, is not offered, and why is said', async (t) => {
  const found = offered(`[nic.gone]\nmac = "02:00:00:00:00:99"\n[nic.two]\nid = "8086:1521"\n`, threeNics())
  t.strictSame(counts(found), [])
  t.match(found.notes, [
    "NIC 'gone' (mac 02:00:00:00:00:99) matches no device of this host: no NIC has mac 02:00:00:00:00:99; correct the selectors under [nic.gone] (qemu-rt.toml:1)",
    /^NIC 'two' \(id 8086:1521\) matches 3 devices: 0000:03:00\.0 .*; add mac or address under \[nic\.two\], or pool = true if any of them will do \(qemu-rt\.toml:3\)$/,
  ])
})
