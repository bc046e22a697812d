import { rmSync } from 'node:fs'
import t, { type Test } from 'tap'
import { bringThread } from '../../src/change/by-hand.js'
import { lendMachineCpus } from '../../src/change/cpusets.js'
import { clearExclusive, lend, lentCpus, reserveOf, setReserve, takeBack } from '../../src/change/reserve.js'
import { readCpus } from '../../src/host/cpus.js'
import { openSysroot } from '../../src/host/sysroot.js'
import { writeFiles } from '../host/made-host.js'
import { hostWithCgroups, MOUNT } from './cgroup-kernel.js'

const SCOPE = '/machine.slice/vm.scope'
const VM = `${SCOPE}/libvirt`
const GROUPS = ['/machine.slice', SCOPE, VM, `${VM}/emulator`, `${VM}/vcpu0`, `${VM}/vcpu1`, '/qemu-rt']

function made(t: Test, groups = GROUPS) {
  const root = t.testdir({})
  const kernel = hostWithCgroups(root, '0-7', groups)
  const at = { root, mountPoint: MOUNT }
  t.equal(setReserve(at, [4, 5, 6, 7], kernel.write), null)
  writeFiles(root, { '/proc/7/cgroup': `0::${VM}/emulator\n` })
  return { root, at, kernel }
}

/** What a VM leaves when libvirt removes its groups. */
function end(root: string, kernel: ReturnType<typeof hostWithCgroups>) {
  rmSync(`${root}${MOUNT}${SCOPE}`, { recursive: true })
  kernel.settle()
}

t.test('a CPU goes from the reserve to a group, and back when the group is gone', async (t) => {
  const { root, at, kernel } = made(t)
  t.same(lend(at, `${VM}/vcpu0`, [5], kernel.write), { cpus: [5], problem: null })
  t.same(reserveOf(at), [4, 6, 7])
  t.equal(kernel.partition('/qemu-rt'), 'isolated')
  t.equal(kernel.partition(`${VM}/vcpu0`), 'isolated')
  t.same(kernel.cpus('', 'cpuset.cpus.isolated'), [4, 5, 6, 7], 'no CPU is left without isolation')
  t.same(kernel.cpus(`${VM}/emulator`, 'cpuset.cpus.effective'), [0, 1, 2, 3])
  t.same(lentCpus(at), [5])
  t.equal(takeBack(at, [4, 5, 6, 7], kernel.write), null)
  t.same(reserveOf(at), [4, 6, 7], 'it is not taken back from a VM')
  end(root, kernel)
  t.equal(takeBack(at, [4, 5, 6, 7], kernel.write), null)
  t.same(reserveOf(at), [4, 5, 6, 7])
  t.equal(kernel.partition('/qemu-rt'), 'isolated')
  t.same(kernel.cpus('/machine.slice', 'cpuset.cpus.exclusive'), [], 'and the slice does not keep it')
})

t.test('all CPUs can be lent', async (t) => {
  const { root, at, kernel } = made(t)
  t.same(lend(at, `${VM}/vcpu0`, [4, 5], kernel.write)?.problem, null)
  t.same(lend(at, `${VM}/vcpu1`, [6, 7], kernel.write)?.problem, null)
  t.same(reserveOf(at), [])
  t.same(kernel.cpus('/machine.slice', 'cpuset.cpus.exclusive'), [4, 5, 6, 7])
  end(root, kernel)
  t.equal(takeBack(at, [4, 5, 6, 7], kernel.write), null)
  t.same(reserveOf(at), [4, 5, 6, 7])
})

t.test("a CPU that the reserve does not have is nobody else's to give", async (t) => {
  const { at, kernel } = made(t)
  lend(at, `${VM}/vcpu0`, [5], kernel.write)
  const before = kernel.writes.length
  t.equal(lend(at, `${VM}/vcpu1`, [5], kernel.write), null, "another VM's")
  t.equal(lend(at, `${VM}/vcpu1`, [2], kernel.write), null, "the system's")
  t.match(lend(at, `${VM}/vcpu1`, [2, 6], kernel.write)?.problem, /^CPU 2 of the same group/)
  t.equal(kernel.writes.length, before, 'nothing is written')
})

t.test('what the kernel has against a partition is told in its words', async (t) => {
  const { at, kernel } = made(t, [...GROUPS, '/other.slice'])
  kernel.write(`${at.root}${MOUNT}/other.slice/cpuset.cpus.exclusive`, '5')
  t.match(lend(at, `${VM}/vcpu0`, [5], kernel.write)?.problem, /^isolated invalid \(/)
  clearExclusive(at, [5], kernel.write)
  t.same(kernel.cpus('/other.slice', 'cpuset.cpus.exclusive'), [])
  const failing = () => {
    throw Object.assign(new Error('no'), { code: 'EBUSY' })
  }
  t.equal(lend(at, `${VM}/vcpu1`, [6], failing)?.problem, 'EBUSY')
  t.equal(takeBack(at, [4, 5, 6, 7], failing), 'EBUSY')
})

t.test("a domain's vCPUs get theirs, by the group that the kernel says QEMU is in", async (t) => {
  const { root, kernel } = made(t)
  const wishes = [
    { group: 'emulator', cpus: [4], isAll: true },
    { group: 'vcpu0', cpus: [5], isAll: true },
    { group: 'vcpu1', cpus: [5, 6], isAll: true },
    { group: 'iothread1', cpus: [7], isAll: true },
  ]
  t.match(lendMachineCpus(7, wishes, root, kernel.write), [/^CPU 5 is for several threads/])
  t.equal(kernel.partition(`${VM}/vcpu0`), 'isolated')
  t.equal(kernel.partition(`${VM}/emulator`), 'member')
  t.same(kernel.cpus('/qemu-rt', 'cpuset.cpus'), [4, 6, 7])
  writeFiles(root, { '/proc/7/cgroup': '0::/user.slice/emulator/x\n' })
  t.same(lendMachineCpus(7, wishes, root, kernel.write), [], 'a QEMU outside of libvirt')
})

t.test('threads of a VM that libvirt did not start go where their CPUs are', (t) => {
  const { root, kernel } = made(t)
  const bring = (tid: number, cpus: number[]) => bringThread({ tid }, cpus, root, kernel.write)
  const thread = (tid: number, group: string, memory = 'VmSize:\t1 kB\n') =>
    writeFiles(root, {
      [`/proc/${tid}/status`]: `Tgid:\t20\n${memory}`,
      [`/proc/${tid}/stat`]: `${tid} (qemu) S${' 7'.repeat(50)}\n`,
      [`/proc/${tid}/cgroup`]: `0::${group}\n`,
    })
  const session = '/user.slice/session-3.scope'
  for (const group of ['/user.slice', session]) kernel.makeGroup(group)
  thread(20, session)
  thread(21, session)
  const since = () => kernel.writes.splice(0)
  since()
  t.equal(bring(21, [5]), null)
  t.same(since(), [], 'without the group of host isolate nothing is done')
  kernel.makeGroup('/qemu-rt-vms')
  const own = '/qemu-rt/20-7'
  const others = '/qemu-rt-vms/20-7'
  t.equal(bring(21, [5]), null)
  t.same(since(), [
    `${others}/cgroup.type threaded`,
    `${others}/cgroup.procs 20`,
    `${own}/cgroup.type threaded`,
    '/qemu-rt/cgroup.subtree_control +cpuset',
    `${own}/cpuset.cpus 5`,
    `${own}/cgroup.threads 21`,
  ])
  thread(20, others)
  thread(21, own)
  thread(22, others)
  bring(22, [6])
  t.same(
    since(),
    ['/qemu-rt/cgroup.subtree_control +cpuset', `${own}/cpuset.cpus 5-6`, `${own}/cgroup.threads 22`],
    'the group has all CPUs of the VM',
  )
  bring(21, [0, 1])
  t.same(since(), [`${others}/cgroup.threads 21`], 'what a vCPU has started goes out again')
  bring(20, [0, 1])
  bring(22, [1, 5])
  bring(22, [])
  t.same(since(), [], 'what is not for the reserve alone stays where it is')
  thread(20, `${VM}/emulator`)
  bring(21, [5])
  t.same(since(), [], "a VM of libvirt's is the hook's")
  thread(20, session)
  thread(21, session, '')
  bring(21, [5])
  t.same(since(), [], "a thread of the kernel's is no VM's")
  thread(20, others)
  thread(21, others)
  const denied = () => {
    throw Object.assign(new Error('no'), { code: 'EOPNOTSUPP' })
  }
  t.equal(bringThread({ tid: 21 }, [7], root, denied), 'EOPNOTSUPP')
  t.end()
})

/** A QEMU of one session, whose groups have the files that are given. */
function inSession(t: Test, files: Readonly<Record<string, string>>) {
  const { root, kernel } = made(t)
  for (const group of ['/qemu-rt-vms', '/u.slice', '/u.slice/s.scope']) kernel.makeGroup(group)
  writeFiles(root, {
    '/proc/20/status': 'Tgid:\t20\nVmSize:\t1 kB\n',
    '/proc/20/stat': `20 (qemu) S${' 7'.repeat(50)}\n`,
    '/proc/20/cgroup': '0::/u.slice/s.scope\n',
    ...Object.fromEntries(Object.entries(files).map(([path, text]) => [`${MOUNT}${path}`, `${text}\n`])),
  })
  kernel.writes.splice(0)
  return {
    root,
    kernel,
    bring: (startTicks?: number) => bringThread({ tid: 20, startTicks }, [5], root, kernel.write),
  }
}

t.test('a VM has no more tasks in its two new groups together than it could have before', async (t) => {
  const own = ['/qemu-rt-vms/20-7', '/qemu-rt/20-7']
  const cases = [
    { limits: { '/u.slice/s.scope/pids.max': 'max', '/u.slice/pids.max': '1001' }, half: 500 },
    { limits: { '/u.slice/s.scope/pids.max': '70', '/u.slice/pids.max': '1000' }, half: 35 },
    { limits: { '/u.slice/s.scope/pids.max': '70', '/u.slice/pids.max': '1' }, half: 0 },
  ]
  for (const { limits, half } of cases) {
    const { kernel, bring } = inSession(t, limits)
    t.equal(bring(), null)
    for (const group of own) t.ok(kernel.writes.includes(`${group}/pids.max ${half}`), `${group} ${half}`)
    const at = (what: string) => kernel.writes.indexOf(what)
    t.ok(at(`${own[0]}/pids.max ${half}`) < at(`${own[0]}/cgroup.procs 20`), 'before it is there')
    t.ok(at(`${own[1]}/pids.max ${half}`) < at(`${own[1]}/cgroup.threads 20`), 'before it is there')
    t.ok(kernel.writes.includes('/qemu-rt-vms/cgroup.subtree_control +pids'))
  }
  const { kernel, bring } = inSession(t, { '/u.slice/pids.max': 'max' })
  t.equal(bring(), null)
  t.notOk(
    kernel.writes.some((write) => write.includes('pids')),
    'none where there was none',
  )
})

t.test('a limit that threads cannot have on their own keeps the VM where it is', async (t) => {
  const kept = {
    'memory.max': '1048576',
    'memory.high': '1048576',
    'memory.swap.max': '0',
    'cpu.max': '50000 100000',
    'io.max': '8:0 rbps=max wbps=max riops=max wiops=120',
    'hugetlb.2MB.max': '0',
    'cpuset.mems': '0',
    'misc.max': 'res_a 3',
  }
  for (const [name, text] of Object.entries(kept))
    for (const group of ['/u.slice', '/u.slice/s.scope']) {
      const { kernel, bring } = inSession(t, { [`${group}/${name}`]: text, '/u.slice/pids.max': '9' })
      t.equal(bring(), `${group} has a ${name}, which would not hold any more`)
      t.same(kernel.writes, [])
    }
  const { bring } = inSession(t, {
    '/u.slice/memory.max': 'max',
    '/u.slice/cpu.max': 'max 100000',
    '/u.slice/io.max': '8:0 rbps=max wbps=max riops=max wiops=max',
    '/u.slice/hugetlb.2MB.max': 'max',
    '/u.slice/misc.max': 'res_a max',
  })
  t.equal(bring(), null, 'these limit nothing')
})

t.test('a VM keeps the limit of CPUs that its group has', async (t) => {
  const others = '/qemu-rt-vms/20-7'
  const cpus = (scope: string) => ({
    '/u.slice/s.scope/cpuset.cpus.effective': scope,
    '/qemu-rt-vms/cpuset.cpus.effective': '0-3',
  })
  const { kernel, bring } = inSession(t, cpus('0-1,6'))
  t.equal(bring(), null)
  const at = (what: string) => kernel.writes.indexOf(what)
  t.ok(at('/qemu-rt-vms/cgroup.subtree_control +cpuset') >= 0)
  t.ok(at(`${others}/cpuset.cpus 0-1`) > at('/qemu-rt-vms/cgroup.subtree_control +cpuset'))
  t.ok(at(`${others}/cgroup.procs 20`) > at(`${others}/cpuset.cpus 0-1`), 'before it is there')
  const all = inSession(t, cpus('0-3'))
  t.equal(all.bring(), null)
  t.notOk(all.kernel.writes.some((write) => write.startsWith(`${others}/cpuset.cpus`)))
  const none = inSession(t, cpus('6-7'))
  t.equal(none.bring(), 'its group /u.slice/s.scope allows it none of the CPUs of /qemu-rt-vms')
  t.same(none.kernel.writes, [])
})

t.test('no limit is taken for none when its group is gone', async (t) => {
  const { root, kernel, bring } = inSession(t, {})
  writeFiles(root, { '/proc/20/cgroup': '0::/u.slice/s.scope (deleted)\n' })
  t.match(bring(), /s\.scope \(deleted\) is gone/)
  t.same(kernel.writes, [])
})

t.test('a process that has the number since is not moved', async (t) => {
  const { kernel, bring } = inSession(t, {})
  t.equal(bring(6), null)
  t.same(kernel.writes, [])
  t.equal(bring(7), null)
  t.not(kernel.writes.length, 0)
})

t.test(
  'a plan counts the reserve among the CPUs that can be had, and says where it takes root',
  async (t) => {
    const { root, kernel } = made(t)
    kernel.settle()
    const of = (machines: boolean) => {
      const cpus = readCpus(openSysroot(root), true, machines)
      return [cpus?.cpuset?.length, cpus?.startCpuset?.length, cpus?.reserved]
    }
    t.same(of(true), [8, undefined, undefined], 'for libvirt, whose hook is root')
    t.same(of(false), [8, 4, [4, 5, 6, 7]], 'by hand')
    writeFiles(root, { '/proc/self/cgroup': `0::${VM}/emulator\n` })
    t.same(of(false), [8, 4, undefined], "in libvirt's groups")
    kernel.write(`${root}${MOUNT}/qemu-rt/cpuset.cpus.partition`, 'member')
    t.same(of(true), [8, undefined, undefined], 'a reserve that is no partition keeps nothing away')
  },
)
