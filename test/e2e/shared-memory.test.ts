import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { temporaryDirectory } from '../launcher/launcher.js'
import { startBackEnd } from './back-end.js'
import { QEMU, startQemu } from './launch.js'
import { machineTypes, withoutMachine } from './machine-types.js'
import { needs } from './needs.js'
import { sharedMappings } from './shared-mappings.js'

/** Every way to give a guest RAM that the plan rewrites when a vhost-user device is there. */
const GUEST_RAM: Record<string, readonly string[]> = {
  'no -m': [],
  '-m with a suffix': ['-m', '256M'],
  '-m without a suffix': ['-m', '200'],
  '-m with a fraction': ['-m', '1.5G'],
  '-m size=,slots=,maxmem=': ['-m', 'size=256M,slots=2,maxmem=1G'],
  '-m twice': ['-m', '128M', '-m', '192M'],
  q35: ['-machine', 'q35', '-m', '256M'],
  'an old machine type': ['-machine', 'pc-i440fx-4.2', '-m', '256M'],
  // Before 4.0 QEMU names a memfd and a file after their path (hw_compat_3_1).
  'a machine type before 4.0': ['-machine', 'pc-i440fx-3.1', '-m', '256M'],
  'memory-backend-ram of a machine type before 4.0': [
    ...['-machine', 'pc-q35-2.12,memory-backend=pc.ram', '-m', '256M'],
    ...['-object', '{"qom-type":"memory-backend-ram","id":"pc.ram","size":268435456}'],
  ],
  '-mem-path': ['-m', '256M', '-mem-path', '/dev/shm'],
  '-mem-path, -mem-prealloc': ['-m', '128M', '-mem-path', '/dev/shm', '-mem-prealloc'],
  'memory-backend-ram': [
    ...['-m', '256M', '-machine', 'q35,memory-backend=pc.ram'],
    ...['-object', 'memory-backend-ram,id=pc.ram,size=256M'],
  ],
  'memory-backend-ram in JSON': [
    ...['-m', 'size=262144k', '-machine', 'pc-q35-7.2,usb=off,memory-backend=pc.ram'],
    ...['-object', '{"qom-type":"memory-backend-ram","id":"pc.ram","size":268435456}'],
  ],
  'memory-backend-ram,share=on': [
    ...['-m', '256M', '-machine', 'q35,memory-backend=r'],
    ...['-object', 'memory-backend-ram,id=r,size=256M,share=on'],
  ],
  'memory-backend-file': [
    ...['-m', '256M', '-machine', 'q35,memory-backend=f'],
    ...['-object', 'memory-backend-file,id=f,size=256M,mem-path=/dev/shm'],
  ],
  'memory-backend-file,share=off in JSON': [
    ...['-m', '256M', '-machine', 'q35,memory-backend=f'],
    '-object',
    '{"qom-type":"memory-backend-file","id":"f","size":268435456,"mem-path":"/dev/shm","share":false}',
  ],
  'memory-backend-memfd,share=off': [
    ...['-m', '256M', '-machine', 'q35,memory-backend=m'],
    ...['-object', 'memory-backend-memfd,id=m,size=256M,share=off'],
  ],
  'memory-backend-memfd,share=off in JSON': [
    ...['-m', '256M', '-machine', 'q35,memory-backend=m'],
    ...['-object', '{"qom-type":"memory-backend-memfd","id":"m","size":268435456,"share":false}'],
  ],
  'two NUMA nodes': [
    ...['-m', '256M', '-smp', '2'],
    ...[
      '-object',
      'memory-backend-ram,id=ram-node0,size=128M',
      '-numa',
      'node,nodeid=0,cpus=0,memdev=ram-node0',
    ],
    ...['-object', '{"qom-type":"memory-backend-ram","id":"ram-node1","size":134217728}'],
    ...['-numa', 'node,nodeid=1,cpus=1,memdev=ram-node1'],
  ],
  'two NUMA nodes, one shared': [
    ...['-m', '256M', '-smp', '2'],
    ...['-object', 'memory-backend-memfd,id=a,size=64M,share=on', '-numa', 'node,cpus=0,memdev=a'],
    ...[
      '-object',
      'memory-backend-file,id=b,size=192M,mem-path=/dev/shm,share=off',
      '-numa',
      'node,cpus=1,memdev=b',
    ],
  ],
  'NUMA nodes with mem=': [
    ...['-machine', 'pc-i440fx-5.0', '-m', '256M', '-smp', '2'],
    ...['-numa', 'node,cpus=0,mem=128', '-numa', 'node,cpus=1,mem=128M'],
  ],
  'pc-dimm': [
    ...['-m', '128M,slots=2,maxmem=1G'],
    ...['-object', 'memory-backend-ram,id=dimm0,size=128M', '-device', 'pc-dimm,id=d0,memdev=dimm0'],
    ...['-object', '{"qom-type":"memory-backend-file","id":"dimm1","size":134217728,"mem-path":"/dev/shm"}'],
    ...['-device', '{"driver":"pc-dimm","id":"d1","memdev":"dimm1"}'],
  ],
  'virtio-mem': [
    ...['-m', '128M,maxmem=1G', '-object', 'memory-backend-ram,id=vm0,size=256M'],
    ...['-device', 'virtio-mem-pci,id=v0,memdev=vm0,requested-size=128M'],
  ],
  'huge pages by memfd': [
    ...['-m', '64M', '-machine', 'q35,memory-backend=h'],
    ...['-object', 'memory-backend-memfd,id=h,size=64M,hugetlb=on,hugetlbsize=2M,share=off'],
  ],
  microvm: ['-machine', 'microvm', '-m', '256M'],
  '-m with nothing': ['-m', ''],
  'virtio-mem that reserves nothing, as libvirt writes it': [
    ...['-m', 'size=131072k,maxmem=1048576k'],
    ...['-object', '{"qom-type":"memory-backend-ram","id":"vm0","reserve":false,"size":268435456}'],
    ...['-device', '{"driver":"virtio-mem-pci","requested-size":0,"memdev":"vm0","id":"v0"}'],
  ],
  'an i440fx machine of RAM backends, one of them a DIMM': [
    ...['-m', '128M,slots=2,maxmem=1G', '-machine', 'pc,memory-backend=r'],
    ...['-object', 'memory-backend-ram,id=r,size=128M,share=on'],
    ...['-object', 'memory-backend-ram,id=d,size=128M,reserve=off', '-device', 'pc-dimm,id=d0,memdev=d'],
  ],
}

/** What is in later QEMUs only, and how `NAME,help` of an option says that this one has it. */
const LATER_RAM: Record<
  string,
  { readonly has: readonly [string, string, RegExp]; readonly ram: readonly string[] }
> = {
  'memory-backend-shm': {
    has: ['-object', 'help', /memory-backend-shm/],
    ram: [
      ...['-m', '256M', '-machine', 'q35,memory-backend=s'],
      ...['-object', 'memory-backend-shm,id=s,size=256M'],
    ],
  },
  'sp-mem': {
    has: ['-device', 'help', /name "sp-mem"/],
    ram: [
      ...['-machine', 'q35', '-m', '128M,slots=2,maxmem=1G', '-object', 'memory-backend-ram,id=d,size=128M'],
      ...['-device', 'sp-mem,id=s,memdev=d'],
    ],
  },
  'volatile memory of a CXL device': {
    has: ['-device', 'cxl-type3,help', /volatile-memdev/],
    ram: [
      ...['-m', '128M', '-machine', 'q35,cxl=on,cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G'],
      ...['-object', '{"qom-type":"memory-backend-ram","id":"v","size":268435456}'],
      ...['-device', 'pxb-cxl,bus_nr=12,bus=pcie.0,id=cxl.1', '-device', 'cxl-rp,bus=cxl.1,id=rp,chassis=0'],
      ...['-device', 'cxl-type3,bus=rp,volatile-memdev=v,id=c'],
    ],
  },
}

interface Memdev {
  readonly id?: string
  readonly size: number
  readonly share: boolean
}

/** Starts a guest that has a vhost-user NIC and stands still, and asks QEMU what RAM it has. */
async function memoryOf(t: Test, through: 'launcher' | 'qemu', ram: readonly string[]) {
  const socket = join(temporaryDirectory(t), 'vhost-user')
  await startBackEnd(t, socket)
  const device = ram.includes('microvm') ? 'virtio-net-device' : `virtio-net-pci${busFor(ram)}`
  const nic = ['-chardev', `socket,id=c0,path=${socket}`, '-netdev', 'vhost-user,id=n0,chardev=c0']
  const qemu = startQemu(t, through, ['-S', ...ram, ...nic, '-device', `${device},netdev=n0`])
  const qmp = await qemu.qmp()
  const backends = (await qmp.execute('query-memdev')) as Memdev[]
  const sizes = await qmp.execute('query-memory-size-summary')
  const blocks = await qmp.execute('human-monitor-command', { 'command-line': 'info ramblock' })
  const pid = qemu.pid
  const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  const mapped = sharedMappings(pid).map(({ mebibytes }) => mebibytes)
  await qemu.stop()
  const messages = qemu.stderr().split('\n')
  return {
    backends,
    mapped,
    sizes,
    blockNames: ramBlockNames(String(blocks)),
    name,
    messages: messages.filter((line) => !line.includes('terminating on signal')),
  }
}

/** QEMU looks for a bus from the last one back, and CXL's takes no such device. */
const busFor = (ram: readonly string[]) => (ram.some((arg) => arg.startsWith('pxb-cxl')) ? ',bus=pcie.0' : '')

/** First column of `info ramblock`, below its heading: what a migration stream knows the memory by. */
function ramBlockNames(table: string): string[] {
  const lines = table.trim().split(/\r?\n/).slice(1)
  return lines.map((line) => line.trim().split(/\s+/)[0] ?? '').sort()
}

const sizesOf = (backends: readonly Memdev[]) => backends.map(({ size }) => size).sort((a, b) => a - b)

function freeHugePages(): number {
  try {
    return Number(readFileSync('/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages', 'utf8'))
  } catch {
    return 0
  }
}

t.test('guest RAM of a vhost-user guest is shared in the real QEMU, and as large as before', async (t) => {
  if (!needs(t, ['qemu-system-x86_64'])) return
  const types = machineTypes()
  for (const [name, ram] of Object.entries(GUEST_RAM)) {
    const noPages = name.startsWith('huge pages') && freeHugePages() < 32
    const skip = noPages ? 'no free huge pages on this host' : withoutMachine(ram, types)
    t.test(name, { skip }, (t) => isShared(t, ram))
  }
  for (const [name, { has, ram }] of Object.entries(LATER_RAM)) {
    const [option, help, known] = has
    const skip =
      !known.test(execFileSync(QEMU, [option, help], { encoding: 'utf8' })) && `this QEMU has no ${name}`
    t.test(name, { skip }, (t) => isShared(t, ram))
  }
})

/** Starts a guest with and without the wrapper: its RAM is shared, and else as before. */
async function isShared(t: Test, ram: readonly string[]) {
  const before = await memoryOf(t, 'qemu', ram)
  const after = await memoryOf(t, 'launcher', ram)
  t.ok(after.backends.length > 0, 'there is a memory backend')
  t.same(
    after.backends.filter(({ share }) => !share),
    [],
    'every one is shared',
  )
  t.same(
    [...after.mapped].sort((a, b) => a - b),
    sizesOf(after.backends).map((size) => size / 2 ** 20),
    'by the kernel’s account, too, and nothing else is',
  )
  if (before.backends.some(({ share }) => !share))
    t.not(before.mapped.length, after.mapped.length, 'which it is not without the wrapper')
  t.same(after.sizes, before.sizes, 'base and plugged memory stay')
  // Memory of `-numa node,mem=` has no backend to be listed before the plan gives it one.
  if (before.backends.length > 0) t.same(sizesOf(after.backends), sizesOf(before.backends), 'each size stays')
  t.same(after.backends.map(({ id }) => id).sort(), expectedIds(before.backends, after.backends), 'ids stay')
  t.same(after.blockNames, before.blockNames, 'a migration finds the same RAM blocks')
  t.equal(after.name, 'qemu-system-x86', 'the launcher has become QEMU')
  t.same(
    after.messages.filter((line) => !before.messages.includes(line)),
    [],
    'nothing is printed that was not before',
  )
}

/** The id of a backend is the name of its RAM in a migration stream. */
function expectedIds(before: readonly Memdev[], after: readonly Memdev[]) {
  return (before.length > 0 ? before : after).map(({ id }) => id).sort()
}
