import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import t from 'tap'
import { inventoryMalformed } from '../../src/errors/host.js'
import { readInventory } from '../../src/host/inventory.js'
import { readHostFacts } from '../../src/host/read.js'
import { writeInventory } from '../../src/host/save-inventory.js'
import { madeHost, writeFiles } from './made-host.js'

const FILE = '/var/lib/qemu-rt/nics.json'
const ENTRIES = readInventory('fixtures/hosts/four-nics')

t.test('what was saved is read back', async (t) => {
  const root = t.testdir({})
  writeInventory(root, ENTRIES)
  t.equal(ENTRIES.length, 2)
  t.strictSame(readInventory(root), ENTRIES)
  t.equal(readFileSync(root + FILE, 'utf8'), readFileSync(`fixtures/hosts/four-nics${FILE}`, 'utf8'))
})

t.test('everyone may read the file, whatever the umask', async (t) => {
  const root = t.testdir({})
  const umask = process.umask(0o077)
  t.teardown(() => process.umask(umask))
  writeInventory(root, ENTRIES)
  t.equal(statSync(root + FILE).mode & 0o777, 0o644)
  t.equal(statSync(`${root}/var/lib/qemu-rt`).mode & 0o777, 0o755)
})

t.test('saving replaces the file in one step and leaves nothing beside it', async (t) => {
  const root = madeHost(t, { [FILE]: 'old' })
  const before = statSync(root + FILE).ino
  writeInventory(root, [])
  t.not(statSync(root + FILE).ino, before, 'a reader of the old file is not disturbed')
  t.strictSame(readdirSync(`${root}/var/lib/qemu-rt`), ['nics.json'])
})

t.test('a file that cannot be saved is one line, and leaves nothing beside it', async (t) => {
  const root = t.testdir({})
  mkdirSync(`${root}${FILE}/x`, { recursive: true })
  t.throws(() => writeInventory(root, []), {
    exitCode: 69,
    message:
      `the NIC inventory cannot be saved (EISDIR): ${root}${FILE}; ` +
      'look at the disk and the directory, then run qemu-rt nics scan again',
  })
  t.strictSame(readdirSync(`${root}/var/lib/qemu-rt`), ['nics.json'])
})

t.test('nothing saved yet is an empty inventory', async (t) => {
  t.strictSame(readInventory(t.testdir({})), [])
})

t.test('keys that a later version may add are left aside', async (t) => {
  const text = JSON.stringify({ version: 1, saved: 'today', devices: [{ ...ENTRIES[0], firmware: '1.2' }] })
  t.strictSame(readInventory(madeHost(t, { [FILE]: text })), ENTRIES.slice(0, 1))
})

t.test('a malformed inventory is an error that names the file and what mends it', async (t) => {
  const entry = (change: object) => JSON.stringify({ version: 1, devices: [{ ...ENTRIES[0], ...change }] })
  const cases: [string, string | RegExp][] = [
    ['{"version": 1, "dev', /it is not valid JSON \(.*\)/],
    ['', /it is not valid JSON \(.*\)/],
    ['[]', 'the file is not an object'],
    ['{"version": 2, "devices": []}', 'version 2 is not 1'],
    ['{"devices": []}', 'version undefined is not 1'],
    ['{"version": 1}', "the file has no list 'devices'"],
    ['{"version": 1, "devices": [7]}', 'devices[0] is not an object'],
    [entry({ address: 'x' }), 'devices[0].address is not a PCI address'],
    [entry({ address: undefined }), "devices[0] has no 'address'"],
    [entry({ vendor: '0x8086' }), 'devices[0].vendor is not four hex digits'],
    [entry({ serial: 5 }), 'devices[0].serial is not text'],
    [
      entry({ interfaces: [{ name: 'a', altnames: [], mac: '12' }] }),
      'devices[0].interfaces[0].mac is not a MAC address',
    ],
    [
      entry({ interfaces: [{ name: 'a', altnames: [1] }] }),
      'devices[0].interfaces[0].altnames has a name that is no text',
    ],
  ]
  for (const [text, problem] of cases) {
    const root = madeHost(t, { [FILE]: text, '/sys/bus/pci/x': '' })
    const start = 'the saved NIC inventory cannot be read, '
    const end = `: ${root}${FILE}; run: rm ${root}${FILE} && qemu-rt nics scan --sysroot ${root}`
    for (const read of [readInventory, readHostFacts]) {
      t.throws(() => read(root), {
        exitCode: 65,
        message: typeof problem === 'string' ? start + problem + end : problem,
      })
    }
  }
})

t.test('what to run is for the host that was read, in words of sh', async (t) => {
  const root = `${madeHost(t, {})}/a host`
  writeFiles(root, { [FILE]: '{}', '/sys/x': '' })
  t.throws(() => readInventory(root), {
    message: `the saved NIC inventory cannot be read, version undefined is not 1: ${root}${FILE}; run: rm '${root}${FILE}' && qemu-rt nics scan --sysroot '${root}'`,
  })
  t.equal(
    inventoryMalformed({ file: FILE, sysroot: '/', problem: 'x' }).message,
    `the saved NIC inventory cannot be read, x: ${FILE}; run: rm ${FILE} && qemu-rt nics scan`,
  )
})

t.test('a file that is a directory is malformed too', async (t) => {
  const root = madeHost(t, { [`${FILE}/x`]: '' })
  t.throws(() => readInventory(root), { exitCode: 65, message: /cannot be read, EISDIR: / })
})

t.test('a stale entry becomes a warning of the host facts', async (t) => {
  const root = madeHost(t, {
    '/sys/devices/system/cpu/present': '0-3\n',
    [FILE]: JSON.stringify({ version: 1, devices: ENTRIES }),
  })
  const { pci, inventoryWarnings } = readHostFacts(root)
  t.strictSame(pci, [])
  t.match(inventoryWarnings, [
    /^saved NIC 0000:03:00\.2 \(ens1f2, a0:36:9f:12:34:56\) is no longer there; .*qemu-rt nics scan/,
    /^saved NIC 0000:03:00\.3/,
  ])
})
