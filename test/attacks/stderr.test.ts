import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { domainName, domainXml } from '../e2e/domain-xml.js'
import { NO_CPU_GROUPS, needsLibvirt, startLibvirtd } from '../e2e/libvirtd.js'
import { COMPILER } from './help/compile.js'
import { hostileQemu } from './help/hostile.js'
import { restart } from './help/restart.js'
import { changedFiles, rootsFiles } from './help/snapshot.js'

// C1: root writes a line about a domain where QEMU's stderr leads, and QEMU has a say in both.

const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"
[profile.rt]
vcpus = { cpus = "1", policy = "fifo", priority = 3 }
emulator = { cpus = "housekeeping" }
iothreads = { cpus = "housekeeping" }
`
const METADATA = '<r:request xmlns:r="urn:qemu-rt:request" profile="rt"/>'
const HOOK = '/etc/libvirt/hooks/qemu.d/qemu-rt'
/** As much as fits into a thread's name. */
const COMMAND = 'IO $(>/run/p)'

t.test("what QEMU makes of its stderr and its threads' names is written nowhere by root", async (t) => {
  if (!needsLibvirt(t, COMPILER)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const define = async (...first: string[]) => {
    const name = domainName()
    const hostile = hostileQemu(t, ...first)
    const parts = { emulator: libvirt.emulator, metadata: METADATA, env: hostile.env }
    await libvirt.define(domainXml(name, parts))
    return { name, hostile }
  }
  const { name: early } = await define(`thread ${COMMAND}`, `stderr ${HOOK}`)
  const { name: late, hostile } = await define()
  const before = await rootsFiles(libvirt)
  const check = async (when: string) => {
    t.strictSame(await changedFiles(libvirt, before), [], `${when} root's files are as they were`)
    t.match(await libvirt.run('test', '-e', '/run/p'), { status: 1 }, `${when} nothing was run`)
  }

  await libvirt.ok('start', early)
  await check('before the guest runs')
  await libvirt.ok('destroy', early)
  await check('when the hook was run again')

  await libvirt.ok('start', late)
  t.equal(await hostile.obey(`thread ${COMMAND}`), 0, 'QEMU has named a thread')
  t.equal(await hostile.obey(`stderr ${HOOK}`), 0, 'and opened the hook')
  await restart(libvirt, late)
  await check('after a restart of libvirtd')

  const own = join(hostile.directory, 'own')
  writeFileSync(own, '')
  chmodSync(own, 0o666)
  t.equal(await hostile.obey(`stderr ${own}`), 0, 'and a file of its own')
  await restart(libvirt, late)
  await libvirt.run('qemu-rt', 'tune', '--domain', late)
  await libvirt.run('qemu-rt', 'tune', '--all')
  t.equal(readFileSync(own, 'utf8'), '', "a file of QEMU's choice has nothing from root")
  await libvirt.ok('destroy', late)
  await check('after tune, and a hook')
})
