import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { parsePolicy } from '../../../src/config/parse.js'
import { networkToJson } from '../../../src/jitter/network/json.js'
import { checkSocket, parseSocket, vhostUserNetdev } from '../../../src/jitter/network/port.js'
import { networkProfiles } from '../../../src/jitter/network/profiles.js'
import {
  type FrameCounts,
  makeNetworkReader,
  type NetworkRecord,
  NO_FRAMES,
} from '../../../src/jitter/network/record.js'
import type { NetworkResult } from '../../../src/jitter/network/result.js'
import { planSwitch, testpmdArguments } from '../../../src/jitter/network/switch-plan.js'
import { addRecord, beginTally, roundTrips } from '../../../src/jitter/network/tally.js'
import { formatNetwork } from '../../../src/jitter/network/text.js'
import { whyMeaningless } from '../../../src/jitter/network/verdict.js'
import { temporaryDirectory } from '../../launcher/launcher.js'

const frames = (given: Partial<FrameCounts>): FrameCounts => ({ ...NO_FRAMES, ...given })

const record = (number: number, given: Partial<NetworkRecord> = {}): NetworkRecord => ({
  number,
  ticks: 0n,
  longest: 0,
  counts: Array(32).fill(0),
  frames: NO_FRAMES,
  ...given,
})

function bytesOf({ number, ticks, longest, counts, frames }: NetworkRecord): Buffer {
  const bytes = Buffer.alloc(184)
  bytes.write('QRTN')
  bytes.writeUInt32LE(number, 4)
  bytes.writeBigUInt64LE(ticks, 8)
  for (const [index, value] of [longest, ...counts, ...Object.values(frames)].entries())
    bytes.writeUInt32LE(value, 16 + index * 4)
  return bytes
}

t.test(
  'records and failures are read however the stream is cut, with anything before the first',
  async (t) => {
    const records = [
      record(1, {
        ticks: 2n ** 40n,
        longest: 77,
        frames: frames({ sent: 3, received: 2, lost: 1, skipped: 9 }),
      }),
      record(2, { counts: Array.from({ length: 32 }, (_, index) => index) }),
    ]
    const failure = Buffer.from('QRTE\u0002')
    const stream = Buffer.concat([
      Buffer.from('noise QR'),
      ...records.map(bytesOf),
      failure,
      Buffer.from('QRTN rest'),
    ])
    const readAll = (cuts: readonly number[]) => {
      const read = makeNetworkReader()
      const places = [0, ...[...cuts].sort((a, b) => a - b), stream.length]
      return places.slice(1).flatMap((end, index) => read(stream.subarray(places[index], end)))
    }
    t.strictSame(readAll([]), [...records, { failure: 2 }])
    const text = (found: unknown) =>
      JSON.stringify(found, (_, value) => (typeof value === 'bigint' ? String(value) : value))
    fc.assert(
      fc.property(
        fc.array(fc.nat(stream.length), { maxLength: 9 }),
        (cuts) => text(readAll(cuts)) === text(readAll([])),
      ),
    )
  },
)

t.test('ticks become microseconds by when records came; the first is where counting begins', async (t) => {
  const counts = (bucket: number, count: number) => Object.assign(Array(32).fill(0), { [bucket]: count })
  let tally = beginTally(record(1, { ticks: 5n, longest: 2 ** 31, frames: frames({ sent: 99 }) }), 500)
  const seen = { longest: 5000, counts: counts(10, 7), frames: frames({ sent: 8, received: 7, lost: 1 }) }
  tally = addRecord(tally, record(2, { ticks: 2_000_000_005n, ...seen }), 1500)
  tally = addRecord(
    tally,
    record(3, { ticks: 4_000_000_005n, ...seen, longest: 6000, counts: counts(12, 7) }),
    2500,
  )
  const result = roundTrips(tally)
  t.match(result, {
    seconds: 2,
    ticksPerMicrosecond: 2000,
    worstMicroseconds: 3,
    frames: { sent: 16, received: 14, lost: 2 },
  })
  t.strictSame(
    result.histogram.map(({ fromMicroseconds, count }) => [fromMicroseconds * 2000, count]),
    [
      [1024, 7],
      [2048, 0],
      [4096, 7],
    ],
  )
  const nothing = addRecord(beginTally(record(1), 0), record(2, { ticks: 1000n }), 1000)
  t.strictSame(roundTrips(nothing).histogram, [])
})

const BEST_EFFORT: NetworkResult = {
  profile: null,
  accelerator: 'kvm',
  frameBytes: 64,
  intervalMicroseconds: 1000,
  switch: { pollCpu: 3, mainCpu: 0, memory: 'huge pages' },
  vcpus: [
    { role: 'sender', number: 0, cpus: '0-7', policy: 'other', priority: 0 },
    { role: 'echo', number: 0, cpus: '0-7', policy: 'other', priority: 0 },
  ],
  seconds: 10,
  ticksPerMicrosecond: 1000,
  worstMicroseconds: 1900,
  histogram: [
    { fromMicroseconds: 16.384, toMicroseconds: 32.768, count: 9000 },
    { fromMicroseconds: 1048.576, toMicroseconds: 2097.152, count: 1 },
  ],
  frames: frames({ sent: 9002, received: 9001, lost: 1, late: 1, skipped: 12 }),
  meaningless: null,
  explanations: ['this is not said: best effort is what the profile is compared with'],
}

const PROFILE: NetworkResult = {
  ...BEST_EFFORT,
  profile: 'rt',
  vcpus: [
    { role: 'sender', number: 1, cpus: '4', policy: 'fifo', priority: 1 },
    { role: 'echo', number: 1, cpus: '5', policy: 'fifo', priority: 1 },
  ],
  worstMicroseconds: 38,
  histogram: [
    { fromMicroseconds: 16.384, toMicroseconds: 32.768, count: 9990 },
    { fromMicroseconds: 32.768, toMicroseconds: 65.536, count: 2 },
  ],
  frames: frames({ sent: 9992, received: 9992 }),
  explanations: ['the kernel is not PREEMPT_RT'],
}

t.test('two runs side by side, with what became of the frames', async (t) => {
  const text = formatNetwork([BEST_EFFORT, PROFILE])
  t.equal(
    text,
    `Best effort, KVM, 10 s: worst round trip 1.9 ms
  sender: vCPU 0 on CPU 0-7, other
  echo: vCPU 0 on CPU 0-7, other
  switch: testpmd on CPU 3, in huge pages
  frames of 64 bytes, one each 1 ms: 9002 sent, 9001 back, 1 lost, 0 reordered
  also: 1 back after they were counted as lost, 12 not sent, since the sender
    did not run
  round trips: 1 over 100 us, 1 over 1 ms, 0 over 10 ms
Profile 'rt', KVM, 10 s: worst round trip 38 us
  sender: vCPU 1 on CPU 4, fifo 1
  echo: vCPU 1 on CPU 5, fifo 1
  switch: testpmd on CPU 3, in huge pages
  frames of 64 bytes, one each 1 ms: 9992 sent, 9992 back, 0 lost, 0 reordered
  round trips: 0 over 100 us, 0 over 1 ms, 0 over 10 ms

              Best effort                       Profile 'rt'
  back after  count                             count
       16 us   9000  #########################   9990  #########################
       33 us      0                                 2  ###
       66 us      0                                 0
      131 us      0                                 0
      262 us      0                                 0
      524 us      0                                 0
        1 ms      1  ##                             0

  - the kernel is not PREEMPT_RT

Worst round trip with the profile: 50 times lower than best effort.
`,
  )
  for (const line of text.split('\n')) t.ok(line.length <= 80, line)
})

t.test(
  'a figure that means nothing says so, in text and JSON; a run without a frame back has no picture',
  async (t) => {
    const meaningless = 'two threads poll on one CPU'
    t.match(
      formatNetwork([{ ...BEST_EFFORT, meaningless }]),
      /\n\nMEANINGLESS as figures of the network: two threads/,
    )
    t.match(networkToJson([{ ...BEST_EFFORT, meaningless }]), {
      version: 1,
      mode: 'network',
      runs: [{ meaningless, roundTripsOver: { '100us': 1, '1ms': 1, '10ms': 0 }, frames: { lost: 1 } }],
      worstRatio: null,
    })
    const lost = { ...PROFILE, histogram: [], worstMicroseconds: 0, frames: frames({ sent: 5, lost: 5 }) }
    const text = formatNetwork([BEST_EFFORT, lost])
    t.match(text, /worst round trip unknown/)
    t.notMatch(text, /Worst round trip with the profile/)
    t.notMatch(formatNetwork([lost]), /back after/)
    t.match(networkToJson([BEST_EFFORT, lost]), { worstRatio: null })
    t.match(networkToJson([BEST_EFFORT, PROFILE]), { worstRatio: 50 })
  },
)

t.test('why a figure says nothing of the network', async (t) => {
  const busy = (...cpus: (readonly number[] | null)[]) =>
    cpus.map((set, index) => ({ what: `thread ${index}`, cpus: set }))
  const cases: [online: number, cpus: (readonly number[] | null)[], expected: RegExp | null][] = [
    [4, [[1], [2], [3]], null],
    [4, [[0, 1, 2, 3], [0, 1, 2, 3], null], null],
    [3, [[1], [2], [0]], /^thread 0, thread 1 and thread 2 poll, .*: 4 CPUs are needed, and 3 are there$/],
    [8, [[4], [4], [3]], /^thread 0 and thread 1 both poll on CPU 4$/],
    [8, [[4], [5], [5]], /^thread 1 and thread 2 both poll on CPU 5$/],
  ]
  for (const [count, cpus, expected] of cases) {
    const online = Array.from({ length: count }, (_, cpu) => cpu)
    const said = whyMeaningless(online, busy(...cpus))
    if (expected === null) t.equal(said, null)
    else t.match(said, expected)
  }
})

t.test("testpmd polls on the switch's CPU, and takes huge pages that are left", async (t) => {
  const none = { housekeeping: null, realtime: null, switch: null }
  const all = { housekeeping: [0, 1], realtime: [4, 5, 6, 7], switch: [2, 3] }
  const online = [0, 1, 2, 3, 4, 5, 6, 7]
  const page = { size: 2n << 20n, surplus: 0, freeByNode: {} }
  const free = (count: number) => [{ ...page, free: count }]
  t.strictSame(planSwitch(online, all, free(32), null), { pollCpu: 2, mainCpu: 0, memory: 'huge pages' })
  t.strictSame(planSwitch(online, { ...all, switch: null }, free(31), null), {
    pollCpu: 3,
    mainCpu: 0,
    memory: '4 KiB pages',
  })
  t.strictSame(planSwitch([0, 1], none, [], null), { pollCpu: 1, mainCpu: 0, memory: '4 KiB pages' })
  t.match(planSwitch([0], none, [], null), { pollCpu: 0, mainCpu: 0 })
  const guests = { size: '2M', memory: 64n << 20n }
  t.match(planSwitch(online, all, free(32), guests), { memory: '4 KiB pages' })
  t.match(planSwitch(online, all, free(64), guests), { memory: 'huge pages' })
  const args = testpmdArguments({ pollCpu: 2, mainCpu: 0, memory: '4 KiB pages' }, ['/a', '/b']).join(' ')
  t.match(
    args,
    /^--no-huge -m 64 .*--lcores 0@0,1@2 --vdev net_vhost0,iface=\/a,queues=1 --vdev net_vhost1,iface=\/b,/,
  )
  t.match(testpmdArguments({ pollCpu: 2, mainCpu: 0, memory: 'huge pages' }, ['/a', '/b'])[0], '--in-memory')
})

t.test('sockets: who makes them, and what is wrong with them', async (t) => {
  t.strictSame(parseSocket('/run/a,b'), { path: '/run/a,b', madeBy: 'switch' })
  t.strictSame(parseSocket('/run/a,server'), { path: '/run/a', madeBy: 'qemu' })
  for (const text of ['', 'relative', ',server', `/${'a'.repeat(107)}`])
    t.throws(() => parseSocket(text), {
      exitCode: 64,
      message: /is not an absolute path of at most 107 bytes: --socket/,
    })
  t.strictSame(vhostUserNetdev({ path: '/run/a,b', madeBy: 'qemu' }), [
    ...['-chardev', 'socket,id=c,path=/run/a,,b,server=on', '-netdev', 'vhost-user,id=n,chardev=c'],
  ])
  t.match(vhostUserNetdev({ path: '/run/a', madeBy: 'switch' })[1], /path=\/run\/a$/)

  const directory = temporaryDirectory(t)
  const path = join(directory, 'socket')
  t.throws(() => checkSocket({ path, madeBy: 'switch' }), {
    exitCode: 69,
    message: /^there is no socket: .*; start/,
  })
  checkSocket({ path, madeBy: 'qemu' })
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  checkSocket({ path, madeBy: 'switch' })
  checkSocket({ path, madeBy: 'qemu' })
  server.close()
  writeFileSync(join(directory, 'file'), '')
  mkdirSync(join(directory, 'directory'))
  for (const [name, madeBy] of [
    ['file', 'switch'],
    ['file', 'qemu'],
    ['directory', 'switch'],
  ] as const) {
    const wrong = { path: join(directory, name), madeBy }
    t.throws(() => checkSocket(wrong), { exitCode: 69, message: /^this is not a socket: / })
  }
  const nowhere = { path: join(directory, 'no', 'socket'), madeBy: 'qemu' } as const
  t.throws(() => checkSocket(nowhere), {
    exitCode: 69,
    message: /^the directory of the socket does not exist: /,
  })
})

t.test('root makes no socket where others may exchange it, or the directory, meanwhile', async (t) => {
  const directory = temporaryDirectory(t)
  const below = join(directory, 'below')
  mkdirSync(below)
  const socket = { path: join(below, 'socket'), madeBy: 'qemu' } as const
  const isRefused = (isRoot: boolean, madeBy: 'qemu' | 'switch' = 'qemu') => {
    try {
      checkSocket({ ...socket, madeBy }, isRoot)
      return null
    } catch (error) {
      return error
    }
  }
  chmodSync(below, 0o1777)
  t.match(isRefused(true), {
    exitCode: 77,
    message: /^others than root may write to this directory, or to one above it: .*below; name a socket in /,
  })
  chmodSync(below, 0o755)
  chmodSync(directory, 0o777)
  t.match(isRefused(true), { exitCode: 77 }, 'who writes above may exchange the directory')
  t.equal(isRefused(false), null, 'who is not root may')
  t.match(
    isRefused(true, 'switch'),
    { exitCode: 69, message: /^there is no socket/ },
    'a switch makes its own',
  )
  chmodSync(directory, 0o755)
  if (process.getuid?.() === 0) t.equal(isRefused(true), null)
})

t.test('profiles with which two guests cannot run at once', async (t) => {
  const policy = parsePolicy(
    [
      '[host]\nhousekeeping = "0"\nrealtime = "1-9"',
      '[profile.auto]\nvcpus = { cpus = "auto", policy = "fifo", priority = 1 }',
      '[profile.four]\nvcpus = { cpus = "4", policy = "fifo", priority = 1 }',
      '[profile.five]\nvcpus = { cpus = { 0 = "5" }, policy = "rr", priority = 1 }',
      '[profile.both]\nvcpus = { cpus = "4" }',
      '[profile.private]\nshare = "never"',
    ].join('\n'),
    'qemu-rt.toml',
  )
  t.match(networkProfiles(policy, 'auto', null), { sender: { name: 'auto' }, echo: { name: 'auto' } })
  t.match(networkProfiles(policy, 'four', 'five'), { sender: { name: 'four' }, echo: { name: 'five' } })
  t.match(networkProfiles(policy, 'both', null), { echo: { name: 'both' } })
  t.throws(() => networkProfiles(policy, 'four', null), {
    exitCode: 78,
    message: /^profile 'four' gives CPU 4 to both guests, .*: qemu-rt.toml:\d+; give --echo-profile NAME/,
  })
  t.throws(() => networkProfiles(policy, 'auto', 'private'), {
    exitCode: 78,
    message: /^profile 'private' does not share guest RAM \(share = "never"\), .*: qemu-rt.toml:\d+; /,
  })
  t.throws(() => networkProfiles(policy, 'nope', null), {
    exitCode: 78,
    message: /^profile 'nope' is not defined/,
  })
})
