import t from 'tap'
import { usesByIp } from '../../src/host/use/net-ip.js'

/** What ip(8) says of eth0; test/host/use-kernel.test.ts has what the real one says. */
const answers = (link: object, routes: readonly object[] = [], routesOfSix: string | null = '[]') => ({
  addresses: JSON.stringify([
    { ifname: 'lo', addr_info: [] },
    { ifname: 'eth0', addr_info: [], ...link },
  ]),
  routes: JSON.stringify(routes),
  routesOfSix,
})

t.test('an XDP program is a use', async (t) => {
  t.strictSame(usesByIp(answers({ xdp: { mode: 1, prog: { id: 7 } } }), 'eth0'), [
    { kind: 'xdp', interface: 'eth0' },
  ])
})

t.test('routes by several ways, and those of another interface', async (t) => {
  const routes = [
    { dst: '198.51.100.0/24', nexthops: [{ dev: 'eth1' }, { dev: 'eth0' }] },
    { dst: '203.0.113.0/24', dev: 'eth1' },
    { type: 'blackhole', dst: '192.0.2.0/24', table: '100' },
  ]
  t.strictSame(usesByIp(answers({}, routes), 'eth0'), [
    { kind: 'route', interface: 'eth0', route: '198.51.100.0/24' },
  ])
})

t.test('without IPv6 in the kernel ip prints nothing of it', async (t) => {
  t.strictSame(usesByIp(answers({}, [], ''), 'eth0'), [])
})

t.test('what ip does not say, or says in another way, is hidden', async (t) => {
  const good = answers({})
  for (const [title, given] of Object.entries({
    'no answer': { ...good, addresses: null },
    'no JSON': { ...good, routes: 'Option "-json" is unknown' },
    'no list': { ...good, routes: '{}' },
    'no routes of IPv6': { ...good, routesOfSix: null },
    'no addresses': answers({ addr_info: null }),
  })) {
    t.match(usesByIp(given, 'eth0'), [{ kind: 'hidden', what: /^eth0: / }], title)
  }
  t.match(usesByIp(good, 'eth9'), [{ kind: 'hidden' }], 'an interface that ip does not know')
})
