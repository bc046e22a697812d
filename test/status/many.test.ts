import t from 'tap'
import { foundThreads } from '../../src/status/found.js'
import type { VmSnapshot } from '../../src/status/snapshot.js'
import { only, statusOf } from '../../src/status/status.js'
import { statusText } from '../../src/status/text.js'
import { cpuSet, cpus, plan, smallVm, snapshot, textOf, thread } from './make.js'

/** A host of 512 CPUs and 300 VMs, of which those with these numbers have a vCPU elsewhere. */
function many(drifted: readonly number[]) {
  const vms = Array.from({ length: 300 }, (_, n): VmSnapshot => {
    const vm = smallVm(`plc-${n}`, 1000 + 10 * n, String(8 + n))
    const moved = thread(1001 + 10 * n, 'CPU 0/KVM', '0-1')
    return drifted.includes(n) ? { ...vm, threads: [...vm.threads.slice(0, 1), moved] } : vm
  })
  return snapshot({
    cpus: cpus('0-511', '2-511'),
    sets: { housekeeping: cpuSet('0-1'), switch: cpuSet('2-7'), realtime: cpuSet('8-511') },
    vms,
  })
}

const text = (made: ReturnType<typeof many>, asked = {}) =>
  textOf(statusText(only(statusOf(made, null), asked), { width: 80, heading: null }))

t.test('hundreds of VMs have a line each, and the map is drawn by what CPUs are for', async (t) => {
  const shown = text(many([]))
  t.match(shown, /^300 VMs, all 600 threads are as planned\n\n {2}VM +PID {2}PROFILE {2}VCPUS ON {2}STATE\n/)
  t.match(shown, /\n {2}plc-7 +1070 {2}- +15 +as planned\n {2}plc-8 /)
  t.match(
    shown,
    `
CPUs of this host
  CPU      FOR           PLANNED THERE
  0-1      housekeeping  emulator of 300 VMs
  2-7      switch        -
  8-307    realtime      vCPUs of 300 VMs
  308-511  realtime      free
`,
  )
  t.ok(shown.split('\n').length < 320)
})

t.test('of those that are not as planned a few are shown with their threads', async (t) => {
  const shown = text(many([3, 4, 5, 6, 70]))
  t.match(shown, /^! 300 VMs, 5 of 600 threads are not as planned\n/)
  t.match(shown, /\n! plc-4 +1040 .* 1 of 2 threads not as planned\n {2}plc-7 /s)
  t.equal(shown.match(/^! vCPU 0 /gm)?.length, 3)
  t.match(shown, '\n! 2 more VMs are not as planned: qemu-rt status --drifted\n')
})

t.test('--drifted and --domain show these VMs and their CPUs alone', async (t) => {
  const made = many([3, 4, 5, 6, 70])
  const drifted = text(made, { drifted: true })
  t.match(drifted, /^! 5 VMs, 5 of 10 threads are not as planned\n\nplc-3 /)
  t.equal(drifted.match(/^! vCPU 0 /gm)?.length, 5)
  const one = text(made, { domain: 'plc-8' })
  t.match(one, /^1 VM, all 2 threads are as planned\n\nplc-8 {2}PID 1080 /)
  t.match(one, '\n  16   realtime      plc-8 vCPU 0 fifo 1\n')
  t.notMatch(one, ' 17 ')
  t.equal(text(made, { domain: 'plc-\x1b' }), "300 VMs, none of which is called 'plc-\\x1b'\n")
  t.equal(
    text(made, { domain: 'plc-8', drifted: true }),
    "300 VMs, none of which is called 'plc-8' and is other than planned\n",
  )
})

t.test('conflicts are counted, and the first ones and their VMs are named', async (t) => {
  const made = many([])
  const again = made.vms.map((vm) => ({
    ...vm,
    pid: vm.pid + 5,
    plan: { ...vm.plan, guest: { name: `b-${vm.pid}`, uuid: null } },
  }))
  const shown = text({ ...made, vms: [...made.vms, ...again] })
  t.match(shown, /^! 600 VMs, conflict on CPU 8-307\n/)
  t.match(shown, '\n! 8-307    realtime      vCPUs of 600 VMs\n')
  t.equal(shown.match(/^! CPU \d+: vCPUs of /gm)?.length, 5)
  t.match(shown, '\n! 295 more conflicts: qemu-rt status --format json has all\n')
  const fifo = { vcpus: [{ vcpu: 0, cpus: '4', policy: 'fifo', priority: 1 }] }
  const five = ['a', 'b', 'c', 'd', 'e'].map((name, pid) => ({
    pid,
    plan: plan(name, fifo),
    threads: [],
    usage: null,
  }))
  t.match(text(snapshot({ vms: five })), '! CPU 4: vCPUs of a, b, c and 2 other VMs\n')
})

t.test(
  'a VM without a record is shown as it is, and counts in the map where somebody has placed it',
  async (t) => {
    const threads = [
      thread(10, 'qemu-system-x86', '0-1'),
      thread(11, 'CPU 0/KVM', '4', { policy: 'fifo', priority: 2 }),
      thread(12, 'CPU 1/KVM', '0-7'),
      thread(13, 'CPU 2/KVM', '5'),
      thread(14, 'IO disk', '0-7'),
    ]
    const vm = {
      pid: 10,
      plan: { ...plan('by-hand', null), word: null },
      found: foundThreads(threads, [], cpuSet('0-7')),
      threads,
      usage: null,
    }
    const shown = text(snapshot({ vms: [vm, smallVm('plc-1', 20, '4')] }))
    t.match(shown, /\nby-hand {2}PID 10 {2}no record\n/)
    t.match(shown, '\n  without a record: shown as it is, with nothing to compare it with\n')
    t.match(
      shown,
      `
  0-1  housekeeping  emulator of by-hand, plc-1
  2-3  switch        -
! 4    realtime      by-hand vCPU 0 fifo 2; plc-1 vCPU 0 fifo 1
  5    realtime      by-hand vCPU 2
  6-7  realtime      free
! CPU 4: vCPUs of by-hand and plc-1
`,
    )
  },
)

t.test(
  'of a VM without a record a thread that QEMU cannot name is known by the order of its making',
  async (t) => {
    const threads = [
      thread(10, 'qemu-system-x86', '0'),
      thread(11, 'qemu-system-x86', '0'),
      thread(12, 'qemu-system-x86', '5'),
      thread(13, 'CPU 0/KVM', '4'),
    ]
    const unnamed = [{ type: 'iothread' as const, id: 'iothread-virtioscsi0' }]
    const vm = {
      pid: 10,
      plan: { ...plan('by-hand', null), word: null },
      found: foundThreads(threads, unnamed, cpuSet('0-7')),
      threads,
      usage: null,
    }
    const shown = text(snapshot({ vms: [vm] }))
    t.match(shown, /I\/O thread iothread-virtioscsi0 +12 /)
    t.match(shown, /\n {2}5 +realtime +I\/O thread iothread-virtioscsi0 of by-hand\n/)
  },
)

t.test('a vCPU that was plugged and has no CPU yet is named', async (t) => {
  const vm = smallVm('plc-1', 10, '4')
  const later = {
    ...vm,
    plan: { ...vm.plan, maxcpus: 4 },
    threads: [...vm.threads, thread(12, 'CPU 2/KVM', '0-1')],
  }
  const shown = text(snapshot({ vms: [later] }))
  t.match(shown, /^! 1 VM, 1 plugged without a CPU\n/)
  t.match(shown, '\n! plugged, without a CPU yet: vCPU 2; run: qemu-rt tune --pid 10\n')
})
