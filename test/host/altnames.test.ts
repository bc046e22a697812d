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

t.test('without ip there are none', async (t) => {
  const path = process.env.PATH
  t.teardown(() => {
    process.env.PATH = path
  })
  process.env.PATH = t.testdir({})
  t.strictSame(readAltnames(), {})
})

t.test('an ip that knows no JSON says nothing', async (t) => {
  const directory = t.testdir({ ip: '#!/bin/sh\necho usage >&2\necho nonsense\n' })
  const path = process.env.PATH
  t.teardown(() => {
    process.env.PATH = path
  })
  const { chmodSync } = await import('node:fs')
  chmodSync(`${directory}/ip`, 0o755)
  process.env.PATH = directory
  t.strictSame(readAltnames(), {})
})
