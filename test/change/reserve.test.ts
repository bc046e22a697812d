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
  const bring = (tid: number, cpus: number[]) => bringThread(tid, cpus, root, kernel.write)
  const thread = (tid: number, group: string, memory = 'VmSize:\t1 kB\n') =>
    writeFiles(root, {
      [`/proc/${tid}/status`]: `Tgid:\t20\n${memory}`,
      [`/proc/${tid}/stat`]: `${tid} (qemu) S${' 7'.repeat(50)}\n`,
      [`/proc/${tid}/cgroup`]: `0::${group}\n`,
    })
  const session = '/user.slice/user-1.slice/session-3.scope'
  thread(20, session)
  thread(21, session)
  const since = () => kernel.writes.splice(0)
  since()
  t.equal(bring(21, [5]), null)
  t.same(since(), [], 'without the group of host isolate nothing is done')
  kernel.makeGroup('/qemu-rt-vms')
  const own = '/qemu-rt/20-7'
  t.equal(bring(21, [5]), null)
  t.same(since(), [
    '/qemu-rt-vms/cgroup.procs 20',
    '/qemu-rt/cgroup.subtree_control +cpuset',
    `${own}/cgroup.type threaded`,
    `${own}/cpuset.cpus 5`,
    `${own}/cgroup.threads 21`,
  ])
  thread(20, '/qemu-rt-vms')
  thread(21, own)
  thread(22, '/qemu-rt-vms')
  bring(22, [6])
  t.same(since(), [`${own}/cpuset.cpus 5-6`, `${own}/cgroup.threads 22`], 'the group has all CPUs of the VM')
  bring(21, [0, 1])
  t.same(since(), ['/qemu-rt-vms/cgroup.threads 21'], 'what a vCPU has started goes out again')
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
  thread(20, '/qemu-rt-vms')
  thread(21, '/qemu-rt-vms')
  const denied = () => {
    throw Object.assign(new Error('no'), { code: 'EOPNOTSUPP' })
  }
  t.equal(bringThread(21, [5], root, denied), 'EOPNOTSUPP')
  t.end()
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
