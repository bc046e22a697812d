import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { pidNamespace } from '../../src/host/process.js'
import { processId } from '../../src/record/process-id.js'
import {
  domainRecordId,
  readDomainRecord,
  readRootsHolds,
  readRootsRecords,
  writeRootsRecord,
} from '../../src/record/root/records.js'
import { NEW_VM, type VmRecord } from '../../src/record/vm.js'
import { temporaryDirectory } from '../launcher/launcher.js'
import { address } from '../plan/make.js'

const UUID = 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'
const ID = `libvirt-${UUID}`
const NIC = address('0000:03:00.2')

const record = (facts: Partial<VmRecord> = {}): VmRecord => ({
  ...NEW_VM,
  id: ID,
  guest: { name: 'plc-1', uuid: UUID },
  lease: { nics: [NIC], cpus: [4, 5] },
  ...facts,
})

t.test('a record is read as it was written, by its UUID', async (t) => {
  const root = temporaryDirectory(t)
  t.equal(readDomainRecord(root, UUID), null)
  writeRootsRecord(root, record())
  t.strictSame(readDomainRecord(root, UUID.toUpperCase()), record())
  t.equal(readDomainRecord(root, '../../etc/passwd'), null)
  t.equal(domainRecordId('../x'), null)
  t.match(readRootsHolds(root), [{ guest: 'plc-1', record: ID, nics: [NIC], cpus: [4, 5] }])
})

t.test('it is for everybody to read and for nobody else to write, whatever the umask', async (t) => {
  for (const umask of [0o000, 0o077]) {
    const root = temporaryDirectory(t)
    const before = process.umask(umask)
    writeRootsRecord(root, record())
    process.umask(before)
    const mode = (path: string) => (statSync(`${root}/run/qemu-rt${path}`).mode & 0o7777).toString(8)
    t.strictSame([mode(''), mode('/vms'), mode(`/vms/${ID}.json`)], ['755', '755', '644'])
    chmodSync(`${root}/run/qemu-rt/vms`, 0o700)
    writeRootsRecord(root, record())
    t.equal(mode('/vms'), '755', 'and it is opened again')
  }
})

t.test('one that cannot be read is not "no record"', async (t) => {
  const root = temporaryDirectory(t)
  writeRootsRecord(root, record())
  const path = `${root}/run/qemu-rt/vms/${ID}.json`
  const unreadable = { message: /^a VM's record is there and cannot be read: /, exitCode: 77 }
  for (const text of ['', '{', '{"version":1,"id":"x"}', 'x'.repeat(2 ** 20 + 1)]) {
    writeFileSync(path, text)
    t.throws(() => readDomainRecord(root, UUID), unreadable)
    t.throws(() => readRootsHolds(root), unreadable)
    const told: string[] = []
    t.strictSame(
      readRootsRecords(root, ({ message }) => told.push(message)),
      [],
    )
    t.equal(told.length, 1)
  }
  writeRootsRecord(root, { ...record(), id: 'libvirt-other' })
  writeFileSync(path, `{"version":1,"id":"libvirt-other"}`)
  t.throws(() => readDomainRecord(root, UUID), { message: /it is of another VM/ })
})

t.test('no link is followed, and nothing is half written', async (t) => {
  const root = temporaryDirectory(t)
  const vms = `${root}/run/qemu-rt/vms`
  mkdirSync(vms, { recursive: true })
  symlinkSync('/etc/passwd', `${vms}/${ID}.json`)
  t.throws(() => readDomainRecord(root, UUID), { message: /cannot be read/, exitCode: 77 })
  symlinkSync(`${root}/elsewhere`, `${vms}/${ID}.json.new`)
  writeRootsRecord(root, record())
  t.notOk(existsSync(`${root}/elsewhere`))
  t.strictSame(readdirSync(vms), [`${ID}.json`])
  const huge = { ...record(), guest: { name: 'x'.repeat(200_000), uuid: UUID } }
  t.throws(() => writeRootsRecord(root, huge), { message: /cannot be written/, exitCode: 77 })
  t.strictSame(readDomainRecord(root, UUID), record(), 'what was there stays')
})

t.test('a VM that has ended and left nothing to undo holds nothing', async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass('this needs root', { skip: 'this needs root' })
    return
  }
  const ended = { pid: process.pid, startTicks: 1, namespace: pidNamespace() }
  const id = `pid-${process.pid}-1`
  const held = (facts: Partial<VmRecord>) => {
    writeRootsRecord('/', record({ id, ...facts }))
    return readRootsHolds('/').some((one) => one.record === id)
  }
  const { removeRootsRecord } = await import('../../src/record/root/records.js')
  t.teardown(() => removeRootsRecord('/', { id }))
  t.equal(held({ process: null }), true, 'one that is being started')
  t.equal(held({ process: processId(process.pid) }), true, 'one that runs')
  t.equal(held({ process: ended }), false)
  t.equal(
    held({ process: { ...ended, namespace: 'pid:[1]' } }),
    true,
    'of another PID namespace nobody knows',
  )
  t.equal(held({ process: ended, undo: [{ address: NIC, driver: 'igb' }] }), true, 'its NIC is not back yet')
})
