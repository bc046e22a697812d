import t from 'tap'
import { parseAltnames, readAltnames } from '../../src/host/altnames.js'

t.test('altnames are read from what ip prints', async (t) => {
  const links = [
    { ifindex: 1, ifname: 'lo' },
    { ifindex: 2, ifname: 'ens1f0', altnames: ['enp3s0f0', 'fieldbus-line'] },
    {},
  ]
  t.strictSame(parseAltnames(JSON.stringify(links)), { ens1f0: ['enp3s0f0', 'fieldbus-line'] })
  t.strictSame(parseAltnames('{}'), {})
})

t.test('without an ip that knows JSON there are none', async (t) => {
  for (const printed of [null, '', 'nonsense\n', '[', '{"ifname":"lo"}'])
    t.strictSame(parseAltnames(printed), {})
  t.type(readAltnames(), 'object', 'this host is asked')
})
