import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { temporaryDirectory } from '../launcher/launcher.js'
import { startQemu } from './launch.js'
import { needs } from './needs.js'

const PAGES = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages'

/** The configuration of the emulator entry must be root's, and so must the right to lock memory. */
const unprivileged = process.getuid?.() === 0 ? false : 'needs root'

function freeHugePages(): number {
  try {
    return Number(readFileSync(PAGES, 'utf8'))
  } catch {
    return 0
  }
}

/** Starts QEMU with a profile and reads how its memory is mapped, in kB by field of proc(5)'s smaps. */
async function mappings(t: Test, profile: string, args: readonly string[]) {
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(config, `[profile.p]\n${profile}\n`)
  const qemu = startQemu(t, 'launcher', ['--rt-config', config, '--rt-profile', 'p', '-S', ...args])
  const qmp = await qemu.qmp()
  await qmp.execute('query-status')
  const smaps = readFileSync(`/proc/${qemu.pid}/smaps`, 'utf8')
  await qemu.stop()
  return smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).map((mapping) => {
    const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(mapping)?.[1] ?? 0)
    return { size: field('Size'), page: field('KernelPageSize'), locked: field('Locked') }
  })
}

const RAM_KIB = 64 * 1024

t.test('guest RAM is locked in the real QEMU', { skip: unprivileged }, async (t) => {
  if (!needs(t, ['qemu-system-x86_64'])) return
  const lockedRam = async (profile: string) =>
    (await mappings(t, profile, ['-m', '64M'])).filter(
      ({ size, locked }) => size === RAM_KIB && locked === RAM_KIB,
    )
  t.equal((await lockedRam('lock-memory = true')).length, 1)
  t.equal((await lockedRam('lock-memory = false')).length, 0)
})

const few = freeHugePages() < 32 ? 'fewer than 32 free huge pages of 2M on this host' : unprivileged
t.test('guest RAM is in huge pages in the real QEMU', { skip: few }, async (t) => {
  if (!needs(t, ['qemu-system-x86_64'])) return
  const before = freeHugePages()
  const mapped = await mappings(t, 'hugepages = "2M"', ['-m', '64M'])
  t.match(
    mapped.filter(({ page }) => page === 2048),
    [{ size: RAM_KIB }],
  )
  t.equal(freeHugePages(), before, 'they are given back')
})

/** As people and libvirt write virtio-mem; the largest is more than a host of tests has pages for. */
const VIRTIO_MEM: Readonly<Record<string, readonly string[]>> = {
  'libvirt’s, in JSON': [
    '-object',
    '{"qom-type":"memory-backend-ram","id":"v","reserve":false,"size":68719476736}',
    '-device',
    '{"driver":"virtio-mem-pci","block-size":2097152,"requested-size":16777216,"memdev":"v","id":"vm0"}',
  ],
  'a backend that says nothing': [
    ...[
      '-object',
      'memory-backend-ram,id=v,size=64G',
      '-device',
      'virtio-mem-pci,memdev=v,requested-size=16M',
    ],
  ],
  'a backend that is allocated at once': [
    ...['-object', 'memory-backend-memfd,id=v,size=64G,prealloc=on'],
    ...['-device', 'virtio-mem-pci,memdev=v,requested-size=16M'],
  ],
  '-mem-prealloc': [
    ...['-mem-prealloc', '-object', 'memory-backend-memfd,id=v,size=64G,share=off'],
    ...['-device', 'virtio-mem-pci,memdev=v,requested-size=16M'],
  ],
}

t.test('virtio-mem takes huge pages for what is requested, in the real QEMU', { skip: few }, async (t) => {
  if (!needs(t, ['qemu-system-x86_64'])) return
  for (const [name, args] of Object.entries(VIRTIO_MEM)) {
    const mapped = await mappings(t, 'hugepages = "2M"', ['-m', '16M,maxmem=128G', ...args])
    const huge = mapped.filter(({ page }) => page === 2048).map(({ size }) => size)
    t.strictSame(
      huge.sort((a, b) => a - b),
      [16 * 1024, 64 * 1024 ** 2],
      name,
    )
  }
})
