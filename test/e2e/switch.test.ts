import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { temporaryDirectory } from '../launcher/launcher.js'
import { startQemu } from './launch.js'
import { needs, unmet } from './needs.js'
import { startSwitch } from './switch.js'
import { waitFor } from './wait.js'

/** The firmware of a virtio NIC. It sends the packets. */
const ROM = 'efi-virtio.rom'

/** Whether QEMU finds it: distributions have it in different places. */
function hasRom(): boolean {
  const directories = execFileSync('qemu-system-x86_64', ['-L', 'help'], { encoding: 'utf8' })
    .trim()
    .split('\n')
  return directories.some((directory) => existsSync(join(directory, ROM)))
}

/** About five, on a machine that does nothing else. */
const BOOT_SECONDS = 90

/** Guest RAM that the switch cannot see. The last two are the silent ones: QEMU says nothing and no packet moves. */
const PRIVATE_RAM: Record<string, readonly string[]> = {
  'plain -m': ['-m', '128M'],
  'memory-backend-ram': [
    ...['-m', '128M', '-machine', 'q35,memory-backend=pc.ram'],
    ...['-object', '{"qom-type":"memory-backend-ram","id":"pc.ram","size":134217728}'],
  ],
  'two NUMA nodes': [
    ...[
      '-m',
      '128M',
      '-smp',
      '2',
      '-object',
      'memory-backend-ram,id=a,size=64M',
      '-numa',
      'node,cpus=0,memdev=a',
    ],
    ...['-object', 'memory-backend-ram,id=b,size=64M', '-numa', 'node,cpus=1,memdev=b'],
  ],
  'a private memory-backend-file': [
    ...['-m', '128M', '-machine', 'q35,memory-backend=f'],
    ...['-object', 'memory-backend-file,id=f,size=128M,mem-path=/dev/shm,share=off'],
  ],
  '-mem-path': ['-m', '128M', '-mem-path', '/dev/shm'],
}

/**
 * Starts a switch and a guest without a disk: the iPXE in its NIC's ROM drives the device and asks for an address.
 * @returns what counts the packets the switch has received, and what waits until iPXE has asked for five seconds
 */
async function startGuest(t: Test, through: 'launcher' | 'qemu', ram: readonly string[]) {
  const directory = temporaryDirectory(t)
  const socket = join(directory, 'vhost-user')
  const serial = join(directory, 'console')
  const dpdk = await startSwitch(t, socket)
  startQemu(t, through, [
    ...ram,
    ...['-chardev', `socket,id=c0,path=${socket}`, '-netdev', 'vhost-user,id=n0,chardev=c0'],
    ...['-device', 'virtio-net-pci,netdev=n0,bootindex=0'],
    // The firmware's console on the serial port.
    ...['-machine', 'graphics=off', '-serial', `file:${serial}`],
  ])
  // iPXE prints a dot a second while it waits for an answer to its DHCP requests.
  const asking = /Configuring \(net0 .*\)\.{5}/
  const hasAsked = () => existsSync(serial) && asking.test(readFileSync(serial, 'latin1'))
  return {
    received: dpdk.received,
    untilAsked: () => waitFor('iPXE to ask for an address', BOOT_SECONDS, hasAsked),
  }
}

t.test("a DPDK switch and the guest's firmware", async (t) => {
  if (!needs(t, ['qemu-system-x86_64', 'dpdk-testpmd', 'stdbuf'])) return
  if (!hasRom()) {
    unmet(t, `not installed: ${ROM} (package ipxe-qemu)`)
    return
  }
  for (const [name, ram] of Object.entries(PRIVATE_RAM)) {
    t.test(`${name}: the switch receives packets through the launcher`, async (t) => {
      const { received } = await startGuest(t, 'launcher', ram)
      const packets = await waitFor('a packet', BOOT_SECONDS, async () => (await received()) || null)
      t.ok(packets > 0, `${packets} packets`)
    })
    t.test(
      `${name}: the switch receives none when the same command line bypasses the launcher`,
      async (t) => {
        const { received, untilAsked } = await startGuest(t, 'qemu', ram)
        await untilAsked()
        t.equal(await received(), 0)
      },
    )
  }
})
