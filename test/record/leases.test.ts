import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { EXIT, UserError } from '../../src/errors/user-error.js'
import { parseStat } from '../../src/host/proc.js'
import { startOf } from '../../src/host/process.js'
import type { HeldLease, Lease } from '../../src/plan/leases.js'
import { ensureLeaseDirectory } from '../../src/record/leases/directory.js'
import { hold } from '../../src/record/leases/hold.js'
import { leaseFileName, parseLeaseFileName, writeLeaseFile } from '../../src/record/leases/lease-file.js'
import { glanceAtLeases, readLeases } from '../../src/record/leases/read.js'
import { leaseDirectory } from '../../src/record/place.js'
import { NEW_VM } from '../../src/record/vm.js'

import { waitFor } from '../e2e/wait.js'
import { temporaryDirectory } from '../launcher/launcher.js'
import { vfAddress } from '../launcher/many-hosts.js'
import { address } from '../plan/make.js'

const nic = (vf: number) => address(vfAddress(vf))

const lease: fc.Arbitrary<Lease> = fc.record({
  cpus: fc
    .uniqueArray(fc.nat(600), { maxLength: 40, size: 'max' })
    .map((cpus) => [...cpus].sort((a, b) => a - b)),
  nics: fc.uniqueArray(fc.nat(600), { maxLength: 20, size: 'max' }).map((vfs) => vfs.map(nic)),
})

t.test(
  "a file's name says what the lease has, or nothing of it, and is no longer than a name may be",
  async (t) => {
    let unsaid = 0
    fc.assert(
      fc.property(fc.nat(4194304), fc.nat(), lease, (pid, startTicks, given) => {
        const id = `${pid}-${startTicks}-0a1b2c3d`
        const name = leaseFileName(id, given)
        const named = parseLeaseFileName(name)
        if (named === null) unsaid++
        else if (!isDeepStrictEqual(named, { process: { pid, startTicks, namespace: null }, ...given }))
          return false
        return Buffer.byteLength(name) <= 255 && (named !== null || name === `${id}.lease`)
      }),
      { numRuns: 300 },
    )
    t.ok(unsaid > 0 && unsaid < 300, 'of both kinds')
  },
)

t.test('a name of another form says nothing', async (t) => {
  for (const name of [
    '',
    '1-2-a',
    '@2@',
    'a-2-a@2@',
    '1-a-a@2@',
    '-1-2-a@2@',
    '1-2-a@2-1@',
    '1-2-a@2@x',
    '1-2-a@2',
  ]) {
    t.equal(parseLeaseFileName(`${name}.lease`), null, name)
  }
  t.strictSame(parseLeaseFileName('1-2-a@@.lease'), {
    process: { pid: 1, startTicks: 2, namespace: null },
    cpus: [],
    nics: [],
  })
})

interface Others {
  readonly sysroot: string
  /** Leaves the lease of a process. */
  readonly leave: (pid: number, startTicks: number, lease: Lease) => void
  readonly names: () => string[]
}

function others(t: Test): Others {
  const sysroot = temporaryDirectory(t)
  const { own } = ensureLeaseDirectory(sysroot)
  return {
    sysroot,
    leave: (pid, startTicks, lease) => {
      const process = { pid, startTicks, namespace: null }
      const guest = { name: 'other', uuid: null }
      writeLeaseFile(own, { ...NEW_VM, id: `${pid}-${startTicks}-other`, guest, process, lease })
    },
    names: () => readdirSync(own),
  }
}

/** Takes the first CPU of 2 and 3 that nobody has. */
function takeCpu(held: readonly HeldLease[]) {
  const taken = held.flatMap(({ cpus }) => cpus)
  const cpu = [2, 3].find((one) => !taken.includes(one))
  if (cpu === undefined)
    throw new UserError(EXIT.unavailable, `held by ${held.map(({ guest }) => guest)}`, true)
  return { lease: { cpus: [cpu], nics: [] } }
}

/** As a launch of this process's. */
const holdCpu = (sysroot: string) =>
  hold(sysroot, takeCpu([]), takeCpu, ({ lease }) => ({ ...NEW_VM, id: `${process.pid}-1-me-12345`, lease }))

const MINE = [`${process.pid}-1-me-12345@2@.lease`]

t.test('at a glance a VM that runs has what the name of its file says', async (t) => {
  const { sysroot, leave } = others(t)
  leave(process.pid, startOf(process.pid) ?? 0, { cpus: [2], nics: [nic(0)] })
  const one = { pid: process.pid, cpus: [2], nics: [nic(0)] }
  t.strictSame(glanceAtLeases(sysroot), { held: [{ guest: null, ...one }], ended: [] })
  t.strictSame(readLeases(sysroot, 'check'), { held: [{ guest: 'other', ...one }], ended: [] })
  t.strictSame(holdCpu(sysroot).chosen.lease.cpus, [3])
})

t.test('what is held too long for a name is read', async (t) => {
  const { sysroot, leave, names } = others(t)
  const nics = Array.from({ length: 30 }, (_, vf) => nic(vf))
  leave(process.pid, startOf(process.pid) ?? 0, { cpus: [2], nics })
  t.notMatch(names(), ['@'])
  t.match(glanceAtLeases(sysroot).held, [{ guest: 'other', cpus: [2], nics }])
})

t.test('what a process had that has ended is cleared away at a glance', async (t) => {
  const { sysroot, leave, names } = others(t)
  const child = spawn('true')
  await new Promise((resolve) => child.once('exit', resolve))
  leave(child.pid ?? 0, 1, { cpus: [2], nics: [] })
  t.strictSame(holdCpu(sysroot).chosen.lease.cpus, [2])
  t.strictSame(names(), MINE)
})

t.test('and so is what one had whose PID another process has now', async (t) => {
  const { sysroot, leave, names } = others(t)
  leave(process.pid, 1, { cpus: [2], nics: [] })
  t.strictSame(holdCpu(sysroot).chosen.lease.cpus, [2])
  t.strictSame(names(), MINE)
})

t.test('and what one had that has ended, though nobody has waited for it', async (t) => {
  const { sysroot, leave, names } = others(t)
  // The child ends when nobody is there that would wait for it: a shell may, between two commands.
  const parent = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 100'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.teardown(() => parent.kill())
  const [line] = await once(parent.stdout, 'data')
  const stat = () => parseStat(readFileSync(`/proc/${Number(line)}/stat`, 'latin1'))
  await waitFor('a zombie', 10, () => stat()?.state === 'Z')
  leave(Number(line), stat()?.field(22) ?? 0, { cpus: [2], nics: [] })
  t.strictSame(holdCpu(sysroot).chosen.lease.cpus, [2])
  t.strictSame(names(), MINE)
})

t.test(
  "what lies behind a link, or in a directory of another than its name's user, is no lease",
  async (t) => {
    const { sysroot, leave, names } = others(t)
    leave(process.pid, 1, { cpus: [2], nics: [] })
    const all = leaseDirectory(sysroot)
    const self = String(process.geteuid?.())
    symlinkSync(self, join(all, '4242'))
    renameSync(join(all, self), join(all, '4243'))
    t.strictSame(readLeases(sysroot, 'check'), { held: [], ended: [] })
    t.strictSame(glanceAtLeases(sysroot), { held: [], ended: [] })
    renameSync(join(all, '4243'), join(all, self))
    t.equal(readLeases(sysroot, 'check').ended.length, 1, 'once')
    t.equal(names().length, 1)
  },
)

t.test('an error says for whom the lease is', async (t) => {
  const { sysroot, leave } = others(t)
  for (const cpu of [2, 3]) leave(process.pid, startOf(process.pid) ?? 0, { cpus: [cpu], nics: [] })
  t.throws(() => holdCpu(sysroot), { message: 'held by other,other' })
})

t.test('what is noted down of VMs that hold nothing does not pile up', async (t) => {
  const { sysroot, leave, names } = others(t)
  leave(process.pid, 1, { cpus: [], nics: [] })
  leave(process.pid, startOf(process.pid) ?? 0, { cpus: [], nics: [] })
  leave(process.pid, 2, { cpus: [2], nics: [] })
  const nothing = { lease: null }
  const { leaseFile } = hold(
    sysroot,
    nothing,
    () => nothing,
    () => ({ ...NEW_VM, id: `${process.pid}-9-noted-12345` }),
  )
  t.match(leaseFile, /-9-noted-12345@@\.lease$/)
  t.equal(names().length, 3, 'the one of a process that has ended is gone')
  t.notOk(names().includes(`${process.pid}-1-other@@.lease`))
})
