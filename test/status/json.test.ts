import t from 'tap'
import { statusJson } from '../../src/status/json.js'
import { statusOf } from '../../src/status/status.js'
import { plan, smallVm, snapshot, thread, USAGE } from './make.js'

const VM = {
  pid: 10,
  plan: plan('plc-1', { vcpus: [{ vcpu: 0, cpus: '4', policy: 'fifo', priority: 1 }] }, { profile: 'rt' }),
  threads: [
    thread(10, 'qemu-system-x86', '0-1'),
    thread(11, 'CPU 0/KVM', '0-7', { ticks: 130, involuntarySwitches: 9 }),
  ],
  usage: USAGE,
}

t.test('numbers are numbers, CPUs are lists as the kernel writes them', async (t) => {
  const before = { ...VM, threads: [VM.threads[0] ?? thread(10, '', ''), thread(11, 'CPU 0/KVM', '0-7')] }
  const status = statusOf(snapshot({ vms: [VM] }), snapshot({ at: 8000, vms: [before] }))
  t.same(JSON.parse(statusJson(status, 2)), {
    version: 1,
    time: '2026-01-02T03:04:05.000Z',
    seconds: 2,
    allUsers: true,
    vms: [
      {
        guest: { name: 'plc-1', uuid: null },
        pid: 10,
        profile: 'rt',
        recordedBy: 0,
        uptimeSeconds: 273_659,
        cpuPercent: 102.5,
        memoryBytes: 1_342_177_280,
        hugePagesBytes: 0,
        planned: 1,
        drifted: 1,
        missing: [],
        unplaced: [],
        interrupts: [],
        threads: [
          {
            tid: 11,
            name: 'CPU 0/KVM',
            role: { kind: 'vcpu', vcpu: 0 },
            cpus: '0-7',
            policy: 'other',
            priority: 0,
            wanted: { cpus: '4', policy: 'fifo', priority: 1 },
            drift: ['cpus', 'policy'],
            lastCpu: 0,
            involuntarySwitches: 9,
            newInvoluntarySwitches: 9,
            cpuPercent: 65,
          },
          {
            tid: 10,
            name: 'qemu-system-x86',
            role: { kind: 'emulator' },
            cpus: '0-1',
            policy: 'other',
            priority: 0,
            wanted: null,
            drift: [],
            lastCpu: 0,
            involuntarySwitches: 0,
            newInvoluntarySwitches: 0,
            cpuPercent: 0,
          },
        ],
      },
    ],
    cpus: [
      row('0-1', 'housekeeping', { isolated: false }),
      row('2-3', 'switch'),
      row('4', 'realtime', {
        uses: [{ pid: 10, vcpus: [{ vcpu: 0, policy: 'fifo', priority: 1 }], others: [] }],
      }),
      row('5-7', 'realtime', { free: true }),
    ],
  })
})

function row(cpus: string, set: string, more: object = {}) {
  return { cpus, node: 0, set, online: true, isolated: true, free: false, uses: [], conflicts: [], ...more }
}

t.test('without an earlier snapshot what happened since is null', async (t) => {
  const usage = { ...USAGE, cpuPercent: null }
  const json = JSON.parse(statusJson(statusOf(snapshot({ vms: [{ ...VM, usage }] }), null), 2))
  t.match(json, {
    seconds: null,
    vms: [{ cpuPercent: null, threads: [{ newInvoluntarySwitches: null }, {}] }],
  })
  const gone = JSON.parse(statusJson(statusOf(snapshot({ vms: [{ ...VM, usage: null }] }), null), 2))
  t.match(gone, { vms: [{ cpuPercent: null, memoryBytes: null, uptimeSeconds: null }] })
})

t.test('one line without indentation', async (t) => {
  const json = statusJson(statusOf(snapshot({ vms: [VM] }), null), 0)
  t.equal(json.indexOf('\n'), json.length - 1)
})

t.test('names come back whole, and no control character is written', async (t) => {
  const name = 'a\x1b[31m\u009b2J\u202e\u2028\x7f\udc80工'
  const json = statusJson(statusOf(snapshot({ vms: [smallVm(name, 10, '4')] }), null), 0)
  t.equal(JSON.parse(json).vms[0].guest.name, name)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  t.notMatch(json, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]/)
})
