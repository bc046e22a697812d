import fc from 'fast-check'
import t from 'tap'
import { formatBytes, parseBytes } from '../../src/units/bytes.js'
import { formatCpuSet, intersectCpuSets, parseCpuSet, subtractCpuSets } from '../../src/units/cpu-set.js'
import { parseInteger } from '../../src/units/integer.js'
import { parseMac } from '../../src/units/mac.js'
import { comparePciAddresses, parsePciAddress } from '../../src/units/pci-address.js'

t.test('CPU sets read the kernel list format and libvirt exclusions', async (t) => {
  t.strictSame(parseCpuSet('0-3,8'), [0, 1, 2, 3, 8])
  t.strictSame(parseCpuSet('0-8:2'), [0, 2, 4, 6, 8])
  t.strictSame(parseCpuSet('0-7,^0-1, ^5'), [2, 3, 4, 6, 7])
  t.strictSame(parseCpuSet(''), [])
  for (const bad of ['a', '3-1', '1-', '0-4:0', '1,,2', '-1', '0-99999999'])
    t.equal(parseCpuSet(bad), null, bad)
})

t.test('CPU sets are written in the kernel list format and read back', async (t) => {
  t.equal(formatCpuSet([0, 1, 2, 5, 7, 8]), '0-2,5,7-8')
  t.equal(formatCpuSet([]), '')
  const set = fc.uniqueArray(fc.nat(300)).map((cpus) => cpus.sort((a, b) => a - b))
  fc.assert(
    fc.property(set, (cpus) => JSON.stringify(parseCpuSet(formatCpuSet(cpus))) === JSON.stringify(cpus)),
  )
})

t.test('CPU sets intersect and subtract', async (t) => {
  t.strictSame(intersectCpuSets([1, 2, 3], [2, 3, 4]), [2, 3])
  t.strictSame(subtractCpuSets([1, 2, 3], [2]), [1, 3])
})

t.test('PCI addresses are read in every form and written in one', async (t) => {
  t.equal(parsePciAddress('03:00.1'), '0000:03:00.1')
  t.equal(parsePciAddress('0000:AF:1F.7'), '0000:af:1f.7')
  t.equal(parsePciAddress('10000:01:00.0'), '10000:01:00.0')
  for (const bad of ['03:00', '03:00.8', 'nic:x', '0000:03:20.0', ''])
    t.equal(parsePciAddress(bad), null, bad)
})

t.test('PCI addresses sort as numbers, large domains last', async (t) => {
  const sorted = ['10000:00:00.0', '0000:af:00.0', '0000:03:00.1', '0000:03:00.0'].map(
    (text) => parsePciAddress(text) ?? t.fail(text),
  )
  t.strictSame([...sorted].reverse(), sorted.filter((a) => typeof a === 'string').sort(comparePciAddresses))
})

t.test('MAC addresses are read in either case, with colons or dashes', async (t) => {
  t.equal(parseMac('A0-36-9F-12-34-56'), 'a0:36:9f:12:34:56')
  t.equal(parseMac('a0:36:9f:12:34'), null)
})

t.test('sizes read as QEMU reads them', async (t) => {
  const cases: [string, 'b' | 'm', bigint | null][] = [
    ['1G', 'm', 1n << 30n],
    ['512', 'm', 512n << 20n],
    ['512', 'b', 512n],
    ['1.5G', 'm', 3n << 29n],
    ['1.3G', 'm', 1395864371n],
    ['219136k', 'm', 219136n << 10n],
    ['0x40', 'b', 64n],
    ['0x40M', 'm', 64n << 20n],
    ['16E', 'm', null],
    ['4Q', 'm', null],
    ['', 'm', null],
    ['-1', 'm', null],
    ['1.5', 'b', null],
    // Each as QEMU 7.2 and 11.1 have it with -m, but .5G, which is new in 8.1.
    [' +64', 'm', 64n << 20n],
    ['010', 'm', 10n << 20n],
    ['0x40', 'm', 64n << 20n],
    ['0x4a', 'm', 74n],
    ['64.', 'm', 64n],
    ['64.0', 'm', 64n << 20n],
    ['1.5', 'm', null],
    ['.5G', 'm', 1n << 29n],
    ['.', 'm', null],
    ['1e3', 'm', null],
    ['64 M', 'm', null],
    ['64 ', 'm', null],
  ]
  for (const [text, suffix, bytes] of cases) t.equal(parseBytes(text, suffix), bytes, `${text} in ${suffix}`)
})

t.test('integers read as QEMU reads them', async (t) => {
  const cases: [string, bigint | null][] = [
    ['10', 10n],
    ['010', 8n],
    ['0', 0n],
    ['0x1F', 31n],
    ['0b11', 3n],
    ['\t -7', -7n],
    ['9223372036854775807', (1n << 63n) - 1n],
    ['9223372036854775808', null],
    ['08', null],
    ['1 ', null],
    ['1k', null],
    ['0o7', null],
    ['', null],
    ['+', null],
    ['1\n', null],
    ['1'.repeat(1_000_000), null],
  ]
  for (const [text, number] of cases) t.equal(parseInteger(text), number, text.slice(0, 20))
})

t.test('sizes are written for people', async (t) => {
  t.equal(formatBytes(4n << 30n), '4 GiB')
  t.equal(formatBytes(3n << 29n), '1.5 GiB')
  t.equal(formatBytes(100n), '100 bytes')
})
