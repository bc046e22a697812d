import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { domainName, domainXml } from './domain-xml.js'
import { NO_CPU_GROUPS, startLibvirtd } from './libvirtd.js'
import { needs } from './needs.js'

const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"

[profile.rt]
vcpus = { cpus = "1", policy = "fifo", priority = 3 }
emulator = { cpus = "housekeeping" }
`

t.test('threads', async (t) => {
  if (!needs(t, ['libvirtd', 'virtlogd', 'virsh', 'unshare', 'nsenter', 'qemu-system-x86_64'])) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  const name = domainName()
  await libvirt.define(
    domainXml(name, {
      emulator: libvirt.emulator,
      metadata: '<r:request xmlns:r="urn:qemu-rt:request" profile="rt"/>',
    }),
  )
  console.error(await libvirt.virsh('start', name))
  console.error(await libvirt.threads(name))
  await sleep(1000)
  console.error(await libvirt.log(name))
  console.error((await libvirt.run('ls','-lR','/run/qemu-rt', '/var/lib/qemu-rt')).stdout)
  await libvirt.restart()
  console.error(await libvirt.threads(name))
  await libvirt.ok('destroy', name)
  console.error((await libvirt.run('ls','-lR','/run/qemu-rt')).stdout)
})
