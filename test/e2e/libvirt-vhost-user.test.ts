import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { temporaryDirectory } from '../launcher/launcher.js'
import { domainName, domainXml } from './domain-xml.js'
import { needsLibvirt, startLibvirtd } from './libvirtd.js'
import { startSwitch } from './switch.js'
import { waitFor } from './wait.js'

/** What the guest's firmware takes to send its first packet, on a machine that does nothing else: about five. */
const BOOT_SECONDS = 90

/** Who makes the socket by libvirt's word, and by that what the switch is. */
const MODES = [
  { libvirt: 'client', dpdk: 'server' },
  { libvirt: 'server', dpdk: 'client' },
] as const

for (const mode of MODES) {
  t.test(
    `a domain without memoryBacking, as vhost-user ${mode.libvirt}: the switch receives its packets`,
    async (t) => {
      if (!needsLibvirt(t, ['dpdk-testpmd', 'stdbuf'])) return
      const directory = temporaryDirectory(t)
      const socket = join(directory, 'port')
      // libvirt's QEMU is another user.
      chmodSync(directory, 0o777)
      const libvirt = await startLibvirtd(t)
      const dpdk = await startSwitch(t, socket, mode.dpdk)
      if (mode.dpdk === 'server') chmodSync(socket, 0o777)
      const name = domainName()
      await libvirt.define(
        domainXml(name, {
          emulator: libvirt.emulator,
          devices: `<interface type='vhostuser'>
          <source type='unix' path='${socket}' mode='${mode.libvirt}'/><model type='virtio'/><boot order='1'/>
        </interface>`,
        }),
      )
      await libvirt.ok('start', name)
      const packets = await waitFor('a packet', BOOT_SECONDS, async () => (await dpdk.received()) || null)
      t.ok(packets > 0, `${packets} packets`)
      const memory = await libvirt.ok('qemu-monitor-command', name, '--hmp', 'info memdev')
      t.match(memory, /share: true/)
      await libvirt.ok('destroy', name)
    },
  )
}
