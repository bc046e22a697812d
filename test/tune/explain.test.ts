import t from 'tap'
import type { Refusal } from '../../src/change/threads.js'
import { type Circumstances, explain, explainAll } from '../../src/tune/explain.js'
import { UNSET } from './thread.js'

const OPEN: Circumstances = {
  mayNice: false,
  isOwn: true,
  realtimeLimit: 'unlimited',
  realtime: null,
  cpuset: null,
  online: [0, 1, 4, 5],
}

function refusal(facts: Partial<Refusal> & { vcpu?: number }): Refusal {
  const { vcpu = 0, ...rest } = facts
  return {
    deviation: {
      thread: UNSET,
      role: { kind: 'vcpu', vcpu },
      setting: { cpus: [4, 5], policy: 'fifo', priority: 5 },
      differs: ['cpus', 'policy'],
    },
    aspect: 'policy',
    reason: 'EPERM',
    message: 'chrt: what it said',
    ...rest,
  }
}

t.test('each cause of a refusal, and what to do about it', async (t) => {
  const cpus = { aspect: 'cpus', reason: 'EINVAL', message: 'taskset: what it said' } as const
  const cases: [Partial<Refusal>, Partial<Circumstances>, string][] = [
    [
      {},
      { realtimeLimit: 1 },
      'vCPU 0 cannot have fifo 5: RLIMIT_RTPRIO of QEMU is 1 and CAP_SYS_NICE is missing; set LimitRTPRIO=99 for libvirtd or virtqemud (by hand: ulimit -r 5), or run as root: qemu-rt tune',
    ],
    [
      {},
      { isOwn: false },
      "vCPU 0 cannot have fifo 5: it is another user's and CAP_SYS_NICE is missing; run as root: qemu-rt tune",
    ],
    [
      {},
      { mayNice: true, isOwn: false, realtime: { file: '/g/cpu.rt_runtime_us', microseconds: 0 } },
      'vCPU 0 cannot have fifo 5: its cgroup has no real-time time (/g/cpu.rt_runtime_us is 0, RT_GROUP_SCHED); leave "cpu" out of cgroup_controllers in /etc/libvirt/qemu.conf, or write microseconds to that file and those above it',
    ],
    [
      {},
      { mayNice: true },
      'vCPU 0 cannot have fifo 5: the kernel does not permit it, for a reason that cannot be seen from here; look for RT_GROUP_SCHED (a real-time thread needs time in its cgroup) and for a container without CAP_SYS_NICE',
    ],
    [
      { reason: 'other' },
      {},
      'vCPU 0 cannot have fifo 5: chrt: what it said; see what it has: taskset -cp 7; chrt -p 7',
    ],
    [
      cpus,
      { cpuset: [0, 4] },
      'vCPU 0 cannot have CPU 4-5: the cpuset of its cgroup is 0,4; widen it (libvirt: <vcpupin>, <emulatorpin>, <vcpu cpuset>), or plan CPUs within it',
    ],
    [
      cpus,
      {
        cpuset: [0],
        partitions: [{ group: '/qemu-rt', kind: 'isolated', cpus: [5, 6] }],
        asRoot: 'qemu-rt tune --pid 7 --profile rt',
      },
      'vCPU 0 cannot have CPU 4-5: host isolate keeps CPU 5, and only root brings threads there; run as root: qemu-rt tune --pid 7 --profile rt',
    ],
    [
      cpus,
      { online: [0, 4] },
      'vCPU 0 cannot have CPU 4-5: CPU 5 is offline; run as root: chcpu -e 5; or plan others',
    ],
    [
      cpus,
      { online: [0, 4], smt: 'off' },
      'vCPU 0 cannot have CPU 4-5: CPU 5 is offline; turn SMT on (as root: echo on >/sys/devices/system/cpu/smt/control); or plan others',
    ],
    [
      { ...cpus, reason: 'EPERM' },
      { isOwn: false },
      "vCPU 0 cannot have CPU 4-5: it is another user's and CAP_SYS_NICE is missing; run as root: qemu-rt tune",
    ],
    [
      cpus,
      {},
      'vCPU 0 cannot have CPU 4-5: taskset: what it said; see what it has: taskset -cp 7; chrt -p 7',
    ],
  ]
  for (const [facts, circumstances, text] of cases) {
    t.equal(explain(refusal(facts), { ...OPEN, ...circumstances }), text)
  }
})

t.test('threads that were refused alike are one cause', async (t) => {
  const limited = () => ({ ...OPEN, realtimeLimit: 0 })
  t.equal(explainAll([refusal({}), refusal({ vcpu: 1 })], limited).length, 1)
  t.equal(explainAll([refusal({}), refusal({ aspect: 'cpus', reason: 'EINVAL' })], limited).length, 2)
})
