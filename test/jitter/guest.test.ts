import { execFileSync } from 'node:child_process'
import t from 'tap'
import { parsePolicy } from '../../src/config/parse.js'
import { guestFor, guestImage, machineArguments } from '../../src/jitter/guest.js'
import { GUEST_IMAGE } from '../../src/jitter/guest-image.js'
import { needs } from '../e2e/needs.js'

t.test('the guest is what its source assembles to, and a boot sector', async (t) => {
  t.equal(GUEST_IMAGE.length, 512)
  t.strictSame([...GUEST_IMAGE.subarray(510)], [0x55, 0xaa])
  if (!needs(t, ['as', 'ld'])) return
  const assembled = execFileSync(process.execPath, ['guest/assemble.mjs', '--base64']).toString()
  t.equal(
    assembled,
    GUEST_IMAGE.toString('base64'),
    'run: node guest/assemble.mjs >src/jitter/guest-image.ts',
  )
})

t.test('the vCPU that measures is in one byte of the sector, before what makes it bootable', async (t) => {
  t.ok(guestImage(0).equals(GUEST_IMAGE))
  const other = guestImage(3)
  t.strictSame([...other.subarray(509)], [3, 0x55, 0xaa])
  t.ok(other.subarray(0, 509).equals(GUEST_IMAGE.subarray(0, 509)))
})

const MEBIBYTE = 1n << 20n

t.test('the least guest that a profile can be measured with', async (t) => {
  const cases: [profile: string, vcpus: number, megabytes: bigint][] = [
    ['vcpus = { cpus = "1" }', 1, 32n],
    ['vcpus = { cpus = "auto", policy = "fifo", priority = 1 }', 1, 32n],
    ['vcpus = { cpus = "auto", policy = "fifo", priority = 1, realtime-mask = "^0" }', 2, 32n],
    ['vcpus = { cpus = "auto", policy = "rr", priority = 1, realtime-mask = "^0-1" }', 3, 32n],
    ['vcpus = { cpus = "auto", policy = "fifo", priority = 1, realtime-mask = "2-3" }', 3, 32n],
    ['hugepages = "2M"', 1, 32n],
    ['hugepages = "1G"', 1, 1024n],
  ]
  for (const [written, vcpus, megabytes] of cases) {
    const text = `[host]\nhousekeeping = "0"\nrealtime = "1-9"\n[profile.p]\n${written}\n`
    const profile = parsePolicy(text, 'qemu-rt.toml').profiles.p ?? null
    t.strictSame(guestFor(profile), { vcpus, measured: vcpus - 1, memory: megabytes * MEBIBYTE }, written)
  }
  t.strictSame(guestFor(null), { vcpus: 1, measured: 0, memory: 32n * MEBIBYTE })
})

t.test('a machine of so many vCPUs and MiB', async (t) => {
  const args = machineArguments({ vcpus: 2, measured: 1, memory: 1024n * MEBIBYTE }).join(' ')
  t.match(args, / -m 1024 -smp 2 /)
})
