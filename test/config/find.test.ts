import t from 'tap'
import { readHost } from '../../src/commands/nics/host.js'
import { findConfig } from '../../src/config/find.js'

t.test('a flag, else QEMU_RT_CONFIG, else the default; an empty name is none', (t) => {
  const QEMU_RT_CONFIG = '/env.toml'
  const nobody = { path: '/etc/qemu-rt/qemu-rt.toml', explicit: false }
  t.strictSame(findConfig('/flag.toml', { QEMU_RT_CONFIG }), { path: '/flag.toml', explicit: true })
  t.strictSame(findConfig(undefined, { QEMU_RT_CONFIG }), { path: '/env.toml', explicit: true })
  t.strictSame(findConfig('', { QEMU_RT_CONFIG: '' }), nobody)
  t.strictSame(findConfig(undefined, {}), nobody)
  t.end()
})

t.test('commands for NICs read the one that QEMU_RT_CONFIG names', async (t) => {
  const root = t.testdir({ 'q.toml': '[nic.by-env]\nslot = "1"\n', sys: {} })
  process.env.QEMU_RT_CONFIG = `${root}/q.toml`
  t.teardown(() => {
    delete process.env.QEMU_RT_CONFIG
  })
  t.strictSame(Object.keys((await readHost({ sysroot: root })).policy.nics), ['by-env'])
})
