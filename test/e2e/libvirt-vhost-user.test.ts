import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { VHOST_USER_ELEMENTS } from '../../src/libvirt/shared-memory.js'
import { temporaryDirectory } from '../launcher/launcher.js'
import { domainName, domainXml } from './domain-xml.js'
import { type Libvirt, needsLibvirt, startLibvirtd } from './libvirtd.js'
import { startSwitch } from './switch.js'
import { waitFor } from './wait.js'

/** What the guest's firmware takes to send its first packet, on a machine that does nothing else: about five. */
const BOOT_SECONDS = 90

/** Who makes the socket by libvirt's word, and by that what the switch is. */
const MODES = [
  { libvirt: 'client', dpdk: 'server' },
  { libvirt: 'server', dpdk: 'client' },
] as const

/** `11.2.0` as 11002000, as libvirt counts. */
function counted(version: string): number {
  const [major = 0, minor = 0, release = 0] = version.split('.').map(Number)
  return major * 1_000_000 + minor * 1000 + release
}

/** Whether the libvirt that is there refuses an interface by its version. */
async function refusesInterface(libvirt: Libvirt): Promise<boolean> {
  const version = /Using library: libvirt (\S+)/.exec(await libvirt.ok('version'))?.[1] ?? ''
  const since = VHOST_USER_ELEMENTS.find(({ element }) => element === 'interface')?.refused?.since ?? ''
  return counted(version) >= counted(since)
}

/** Defines the domain that the switch's port is for. @returns how libvirt took it */
async function define(libvirt: Libvirt, xml: string) {
  return libvirt.run(
    'sh',
    '-c',
    'printf "%s" "$1" >/var/tmp/d.xml; virsh define --validate /var/tmp/d.xml',
    'sh',
    xml,
  )
}

async function domainCommand(libvirt: Libvirt, command: 'plan' | 'native', xml: string) {
  return libvirt.run('sh', '-c', 'printf "%s" "$1" | qemu-rt domain "$2" -', 'sh', xml, command)
}

/** Starts the switch, and the domain that makeXml gives for its socket: packets arrive, and all RAM is shared. */
async function packetsArrive(
  t: Test,
  libvirt: Libvirt,
  dpdkMode: 'server' | 'client',
  makeXml: (name: string, socket: string) => Promise<string>,
): Promise<void> {
  const directory = temporaryDirectory(t)
  const socket = join(directory, 'port')
  // libvirt's QEMU is another user.
  chmodSync(directory, 0o777)
  const dpdk = await startSwitch(t, socket, dpdkMode)
  if (dpdkMode === 'server') chmodSync(socket, 0o777)
  const name = domainName()
  t.match(await define(libvirt, await makeXml(name, socket)), { status: 0, stderr: '' })
  await libvirt.ok('start', name)
  const packets = await waitFor('a packet', BOOT_SECONDS, async () => (await dpdk.received()) || null)
  t.ok(packets > 0, `${packets} packets`)
  const memory = await libvirt.ok('qemu-monitor-command', name, '--hmp', 'info memdev')
  t.match(memory, /share: true/)
  t.notMatch(memory, /share: false/)
  await libvirt.ok('destroy', name)
}

for (const mode of MODES) {
  t.test(
    `an <interface> without memoryBacking, as vhost-user ${mode.libvirt}: the switch receives its packets`,
    async (t) => {
      if (!needsLibvirt(t, ['dpdk-testpmd', 'stdbuf'])) return
      const libvirt = await startLibvirtd(t)
      const refuses = await refusesInterface(libvirt)
      await packetsArrive(t, libvirt, mode.dpdk, async (name, socket) => {
        const xml = domainXml(name, {
          emulator: libvirt.emulator,
          devices: `<interface type='vhostuser'>
          <source type='unix' path='${socket}' mode='${mode.libvirt}'/><model type='virtio'/><boot order='1'/>
        </interface>`,
        })
        const planned = await domainCommand(libvirt, 'plan', xml)
        t.match(planned, { status: 0, stdout: /memory-backend-memfd/ })
        if (!refuses) {
          t.equal(planned.stderr, '', 'this libvirt takes it, and the wrapper shares its RAM')
          return xml
        }
        t.match(planned.stderr, "libvirt refuses this domain: 'interface' requires shared memory: ")
        t.match(await define(libvirt, xml), { status: 1, stderr: /'interface' requires shared memory/ })
        const native = await domainCommand(libvirt, 'native', xml)
        t.match(native, { status: 0, stdout: /<access mode='shared'\/>/ }, 'domain native is the way')
        return native.stdout
      })
    },
  )
}

t.test(
  'a vhost-user NIC in <qemu:commandline>: every libvirt takes it, and the wrapper shares its RAM',
  async (t) => {
    if (!needsLibvirt(t, ['dpdk-testpmd', 'stdbuf'])) return
    const libvirt = await startLibvirtd(t)
    await packetsArrive(t, libvirt, 'server', async (name, socket) =>
      domainXml(name, {
        emulator: libvirt.emulator,
        args: [
          ...['-chardev', `socket,id=c0,path=${socket}`, '-netdev', 'vhost-user,id=n0,chardev=c0'],
          ...['-device', 'virtio-net-pci,netdev=n0,bootindex=1,addr=0x10'],
        ],
      }),
    )
  },
)
