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
