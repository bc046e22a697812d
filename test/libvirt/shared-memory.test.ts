import t from 'tap'
import { readDomain } from '../../src/libvirt/domain.js'
import { aboutSharedMemory, VHOST_USER_ELEMENTS } from '../../src/libvirt/shared-memory.js'
import { withVhostUserInterfaces } from '../../src/libvirt/vhost-user-devices.js'
import { native } from './native.js'

const INTERFACE =
  "<interface type='vhostuser'><source type='unix' path='/run/s/0' mode='server'/></interface>"
const PASST = "<interface type='vhostuser'><backend type='passt'/></interface>"
const VIRTIOFS =
  "<filesystem type='mount'><driver type='virtiofs'/><source dir='/srv'/><target dir='t'/></filesystem>"
const DISK =
  "<disk type='vhostuser'><source type='unix' path='/run/s/1'/><target dev='vda' bus='virtio'/></disk>"
const VIDEO = "<video><driver name='vhostuser'/><model type='virtio'/></video>"
const SHARED = "<memoryBacking><access mode='shared'/></memoryBacking>"

const domain = (devices: string, settings = '') =>
  `<domain type='kvm'><name>a</name><memory>1024</memory>${settings}<devices>${devices}</devices></domain>`

const about = (xml: string, failure: string | null) =>
  aboutSharedMemory(readDomain(xml, 'd.xml').root, failure)

const NATIVE =
  'the wrapper does not get to run; define the XML that `qemu-rt domain native` prints: its <memoryBacking> shares the memory'

t.test("libvirt's own refusal is said, with the way out", async (t) => {
  for (const word of VHOST_USER_ELEMENTS.flatMap(({ refused }) => refused?.word ?? [])) {
    t.equal(
      about(domain(''), `unsupported configuration: '${word}' requires shared memory`),
      `libvirt refuses this domain: '${word}' requires shared memory: ${NATIVE}`,
    )
  }
})

t.test('without a libvirt to ask, it is said what one would refuse', async (t) => {
  const cases: [devices: string, said: string][] = [
    [INTERFACE, "libvirt from version 11.2.0 on refuses <interface type='vhostuser'>"],
    [PASST, "libvirt from version 11.2.0 on refuses <interface type='vhostuser'>"],
    [VIRTIOFS, 'libvirt refuses <filesystem> with virtiofs'],
    [DISK, "libvirt refuses <disk type='vhostuser'>"],
  ]
  for (const [devices, said] of cases) {
    t.equal(about(domain(devices), 'virsh is not installed'), `${said} without shared memory: ${NATIVE}`)
    t.equal(about(domain(devices, SHARED), 'virsh is not installed'), null, 'shared')
  }
})

t.test('nothing is said where libvirt has made the command line, or there is no such device', async (t) => {
  t.equal(about(domain(INTERFACE), null), null)
  t.equal(about(domain("<interface type='bridge'/>"), 'virsh is not installed'), null)
  t.equal(about(domain(VIDEO), 'virsh is not installed'), null, 'libvirt takes it')
  t.match(about(domain(`${VIDEO}${DISK}`), 'virsh is not installed'), "<disk type='vhostuser'>")
})

t.test('each NUMA cell counts', async (t) => {
  const cell = (id: number, access: string) => `<cell id='${id}' cpus='${id}' memory='512' ${access}/>`
  const numa = (...access: string[]) =>
    `<cpu><numa>${access.map((one, id) => cell(id, one)).join('')}</numa></cpu>`
  const private1 = numa("memAccess='shared'", "memAccess='private'")
  t.match(about(domain(INTERFACE, private1), 'no'), /without shared memory/)
  t.match(about(domain(INTERFACE, `${SHARED}${private1}`), 'no'), /without shared memory/)
  t.equal(about(domain(INTERFACE, numa("memAccess='shared'", "memAccess='shared'")), 'no'), null)
  t.equal(about(domain(INTERFACE, `${SHARED}${numa('', '')}`), 'no'), null)
})

t.test('domain native writes the memoryBacking for each of them', async (t) => {
  for (const devices of [INTERFACE, PASST, VIRTIOFS, DISK, VIDEO]) {
    const { xml } = native(domain(devices))
    t.match(xml, /<source type='memfd'\/>\s*<access mode='shared'\/>/, devices)
    t.equal(about(xml, 'virsh is not installed'), null)
    t.equal(native(xml).xml, xml, 'and nothing more the second time')
  }
})

t.test('the interfaces that virsh domxml-to-native writes as taps are vhost-user again', async (t) => {
  const bridge = "<interface type='bridge'/>"
  const hostdev = "<interface type='hostdev'/>"
  const { root } = readDomain(domain(`${hostdev}${bridge}${INTERFACE}`), 'd.xml')
  const tap = (index: number) => ['-netdev', `{"type":"tap","fd":"2${index}","id":"hostnet${index}"}`]
  const device = ['-device', '{"driver":"virtio-net-pci","netdev":"hostnet1","id":"net1"}']
  t.strictSame(withVhostUserInterfaces([...tap(0), ...tap(1), ...device], root), [
    ...tap(0),
    ...['-chardev', 'socket,id=charnet1,path=/run/s/0,server=on'],
    ...['-netdev', '{"type":"vhost-user","chardev":"charnet1","id":"hostnet1"}'],
    ...device,
  ])
  const queues = domain(INTERFACE.replace('<source', "<driver queues='4'/><source"))
  t.strictSame(withVhostUserInterfaces(tap(0), readDomain(queues, 'd.xml').root).slice(2), [
    '-netdev',
    '{"type":"vhost-user","chardev":"charnet0","queues":4,"id":"hostnet0"}',
  ])
})
