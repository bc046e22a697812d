import t, { type Test } from 'tap'
import { kernelThreadsOf } from '../../src/host/kernel-threads.js'
import { openSysroot } from '../../src/host/sysroot.js'
import { type Files, writeFiles } from './made-host.js'

const KERNELS = 0x0020_0000 | 0x0400_0000

/** As proc(5) has it: flags are its ninth field, priority and policy its 40th and 41st. */
function stat(tid: number, name: string, policy: number, priority: number, flags = KERNELS): string {
  const fields = Array.from({ length: 52 }, () => '0')
  fields[8] = `${flags}`
  fields[39] = `${priority}`
  fields[40] = `${policy}`
  return `${tid} (${name}) S ${fields.slice(3).join(' ')}\n`
}

function host(t: Test, files: Files) {
  const root = t.testdir({})
  writeFiles(root, files)
  return kernelThreadsOf(openSysroot(root))
}

t.test("the kernel's threads of some CPUs, with policy and priority", async (t) => {
  const read = host(t, {
    '/proc/2/task/2/children': '3 15 16 20 38 39 40 50 51 ',
    '/proc/3/stat': stat(3, 'rcu_gp', 0, 0),
    '/proc/15/stat': stat(15, 'ksoftirqd/0', 0, 0),
    '/proc/16/stat': stat(16, 'migration/0', 1, 99),
    '/proc/20/stat': stat(20, 'rcub/0', 1, 1),
    '/proc/38/stat': stat(38, 'rcuc/2', 1, 1),
    '/proc/39/stat': stat(39, 'ktimers/2', 2, 7),
    '/proc/40/stat': stat(40, 'ksoftirqd/2', 6, 0),
    // It has ended since: 50.
    '/proc/51/stat': stat(51, 'ksoftirqd/3', 0, 0),
  })
  t.strictSame(read([2]), [
    { name: 'rcub/0', cpu: null, priority: 1 },
    { name: 'rcuc/2', cpu: 2, priority: 1 },
    { name: 'ktimers/2', cpu: 2, priority: 7 },
    { name: 'ksoftirqd/2', cpu: 2, priority: 100 },
  ])
  t.match(read([3]), [{ name: 'rcub/0' }, { name: 'ksoftirqd/3' }])
})

t.test('a program that calls itself like one is none', async (t) => {
  const read = host(t, {
    '/proc/2/task/2/children': '40 41 ',
    '/proc/40/stat': stat(40, 'ksoftirqd/2', 0, 0, 0x0040_0000),
    '/proc/41/stat': stat(41, 'x) S 0 (ksoftirqd/2', 0, 0),
    '/proc/99/stat': stat(99, 'ksoftirqd/2', 0, 0),
  })
  t.strictSame(read([2]), [])
})

t.test('a kernel that does not name the children tells nothing', async (t) => {
  t.equal(host(t, {})([2]), null)
  // A container, whose second process is a program.
  t.equal(host(t, { '/proc/2/task/2/children': '' })([2]), null)
})
