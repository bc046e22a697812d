import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { launch } from '../../src/jitter/launched.js'
import { temporaryDirectory } from '../launcher/launcher.js'

t.test('of the environment a guest is started with nothing that only options are to say', async (t) => {
  const directory = temporaryDirectory(t)
  const launcher = join(directory, 'launcher')
  writeFileSync(launcher, '#!/bin/sh\nenv | grep ^QEMU_RT_\n')
  chmodSync(launcher, 0o755)
  const ofRun = ['PROFILE', 'NIC', 'DRY_RUN', 'FORMAT', 'WAIT', 'SYSROOT'].map((name) => `QEMU_RT_${name}`)
  // A profile's configuration is found as `jitter` itself finds it.
  const given = [...ofRun, 'QEMU_RT_CONFIG']
  for (const name of given) process.env[name] = 'x'
  t.teardown(() => {
    for (const name of given) delete process.env[name]
  })
  const { child } = launch({ launcher, emulator: '/q', profile: 'rt', config: null, args: [] }, directory)
  let said = ''
  child.stdout?.on('data', (chunk) => (said += chunk))
  await once(child, 'close')
  t.equal(said, 'QEMU_RT_CONFIG=x\n')
})
