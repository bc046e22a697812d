import { execFileSync } from 'node:child_process'
import t from 'tap'
import { parsePolicy } from '../../src/config/parse.js'
import type { HostCpus } from '../../src/host/facts.js'
import { countAll } from '../../src/jitter/all-vcpus.js'
import { guestFor, guestImage, machineArguments } from '../../src/jitter/guest.js'
import { GUEST_IMAGE } from '../../src/jitter/guest-image.js'
import { needs } from '../e2e/needs.js'

const MEBIBYTE = 1n << 20n

t.test('the guest is what its source assembles to, with a Multiboot header', async (t) => {
  t.equal(GUEST_IMAGE.readUInt32LE(0), 0x1badb002)
  t.equal((GUEST_IMAGE.readUInt32LE(0) + GUEST_IMAGE.readUInt32LE(4) + GUEST_IMAGE.readUInt32LE(8)) >>> 0, 0)
  if (!needs(t, ['as', 'ld'])) return
  const assembled = execFileSync(process.execPath, ['guest/assemble.mjs', '--base64']).toString()
  t.equal(
    assembled,
    GUEST_IMAGE.toString('base64'),
    'run: node guest/assemble.mjs >src/jitter/guest-image.ts',
  )
})

t.test('what the guest is to do is behind its header, and nothing else is changed', async (t) => {
  const machine = { vcpus: 64, measured: [1, 3, 63], memory: 32n * MEBIBYTE }
  const image = guestImage(machine, { mode: 'timer', intervalMicroseconds: 250 })
  t.equal(image.readBigUInt64LE(32), (1n << 1n) | (1n << 3n) | (1n << 63n))
  t.strictSame(
    [40, 44, 48].map((at) => image.readUInt32LE(at)),
    [1, 250_000, 0x2000000],
  )
  t.ok(image.subarray(0, 32).equals(GUEST_IMAGE.subarray(0, 32)))
  t.ok(image.subarray(52).equals(GUEST_IMAGE.subarray(52)))
  const large = guestImage(
    { ...machine, memory: 4096n * MEBIBYTE },
    { mode: 'spin', intervalMicroseconds: 1 },
  )
  t.equal(large.readUInt32LE(40), 0)
  t.equal(large.readUInt32LE(48), 0xc0000000, 'not the hole for devices')
})

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
    t.strictSame(guestFor(profile), { vcpus, measured: [vcpus - 1], memory: megabytes * MEBIBYTE }, written)
  }
  t.strictSame(guestFor(null), { vcpus: 1, measured: [0], memory: 32n * MEBIBYTE })
})

const RT = 'policy = "fifo", priority = 1'

const profileOf = (written: string) =>
  parsePolicy(`[host]\nhousekeeping = "0"\nrealtime = "1-9"\n[profile.p]\n${written}\n`, 'qemu-rt.toml')

t.test('several vCPUs measure: those that the mask leaves real-time, as far as there are', async (t) => {
  const cases: [written: string, wanted: number, measured: number[]][] = [
    [`vcpus = { cpus = "auto", ${RT} }`, 3, [0, 1, 2]],
    [`vcpus = { cpus = "auto", ${RT}, realtime-mask = "^0" }`, 2, [1, 2]],
    [`vcpus = { cpus = "auto", ${RT}, realtime-mask = "2-3" }`, 5, [2, 3]],
    ['vcpus = { cpus = "auto" }', 2, [0, 1]],
  ]
  for (const [written, wanted, measured] of cases) {
    const machine = guestFor(profileOf(written).profiles.p ?? null, wanted)
    t.match(machine, { vcpus: 1 + Math.max(...measured), measured }, written)
  }
  t.match(guestFor(null, 2), { vcpus: 2, measured: [0, 1] })
})

const HOST: HostCpus = {
  ...{ present: [0, 1, 2, 3, 4, 5, 6, 7], online: [0, 1, 2, 3, 4, 5, 6, 7], cpuset: null, isolated: null },
  siblings: { 1: [1, 2], 2: [1, 2], 3: [3, 4], 4: [3, 4], 5: [5, 6], 6: [5, 6], 7: [7] },
  ...{ nodes: {}, realtimeRuntime: null },
}

t.test('all vCPUs are as many as the profile has CPUs for, without the housekeeping ones', async (t) => {
  const cases: [written: string, count: number][] = [
    [`vcpus = { cpus = "1-3", ${RT} }`, 3],
    [`vcpus = { cpus = "1-3", ${RT}, realtime-mask = "^0" }`, 2],
    [`vcpus = { cpus = "auto", ${RT} }`, 7],
    [`vcpus = { cpus = "auto", ${RT}, threads = "isolate" }`, 4],
    [`vcpus = { cpus = { 0 = "0", 1 = "4" }, ${RT}, realtime-mask = "^0" }`, 1],
    [`vcpus = { cpus = "1", ${RT}, realtime-mask = "^0" }`, 1],
    ['emulator = { cpus = "0" }', 8],
  ]
  for (const [written, count] of cases) {
    const { profiles, host } = profileOf(written)
    t.equal(countAll(profiles.p?.vcpus ?? null, host, HOST), count, written)
  }
  t.equal(countAll(null, { housekeeping: null, realtime: null, switch: null }, null), 1)
})

t.test('a machine of so many vCPUs and MiB, with a TSC deadline where there is one', async (t) => {
  const machine = { vcpus: 2, measured: [1], memory: 1024n * MEBIBYTE }
  t.match(machineArguments(machine, 'tcg', 'timer').join(' '), / -m 1024 -smp 2 -cpu pentium /)
  t.match(machineArguments(machine, 'kvm', 'timer').join(' '), / -cpu pentium,tsc-deadline=on /)
  t.match(machineArguments(machine, 'kvm', 'spin').join(' '), / -cpu pentium /)
})
