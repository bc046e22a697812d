import { execFileSync } from 'node:child_process'
import t from 'tap'
import { networkImage, networkMachine } from '../../../src/jitter/network/guest.js'
import { NETWORK_GUEST_IMAGE } from '../../../src/jitter/network/guest-image.js'
import { type NetworkRun, runNetwork } from '../../../src/jitter/network/run.js'
import { QEMU } from '../../e2e/launch.js'
import { needs } from '../../e2e/needs.js'
import { launcher } from '../../launcher/launcher.js'
import { type Passing, testWire } from './wire.js'

t.test('the guest is what its source assembles to', async (t) => {
  if (!needs(t, ['as', 'ld'])) return
  const assembled = execFileSync(process.execPath, ['guest/assemble.mjs', 'network', '--base64']).toString()
  t.equal(
    assembled,
    NETWORK_GUEST_IMAGE.toString('base64'),
    'run: node guest/assemble.mjs network >src/jitter/network/guest-image.ts',
  )
})

t.test(
  'what a guest does is in its first eight bytes, before the header that makes it a kernel',
  async (t) => {
    const image = networkImage('echo', 1, { bytes: 1500, intervalMicroseconds: 250 })
    t.strictSame([...image.subarray(0, 8)], [1, 1, 1500 & 0xff, 1500 >> 8, 250, 0, 0, 0])
    t.equal(image.readUInt32LE(8), 0x1badb002)
    t.ok(image.subarray(8).equals(NETWORK_GUEST_IMAGE.subarray(8)))
    const args = networkMachine({ vcpus: 2, memory: 64n << 20n }, ['-netdev', 'user,id=n'], '/image').join(
      ' ',
    )
    t.match(args, / -m 64 -smp 2 .* -kernel \/image .*-netdev user,id=n -device virtio-net-pci,netdev=n,/)
  },
)

/** Without a profile: guests that are busy at a real-time priority would disturb the other tests. */
const measure = (through: (frame: Passing) => void, more: Partial<NetworkRun> = {}) =>
  runNetwork({
    launcher: launcher('qemu-rt'),
    emulator: QEMU,
    accelerator: 'tcg',
    profiles: { sender: null, echo: null },
    machines: { sender: { vcpus: 1, memory: 32n << 20n }, echo: { vcpus: 1, memory: 32n << 20n } },
    config: null,
    frames: { bytes: 64, intervalMicroseconds: 5000 },
    seconds: 4,
    load: null,
    online: [0, 1],
    wire: testWire(through),
    ...more,
  })

t.test('every frame comes back, of vCPU 1 of two as well, and as long as it was', async (t) => {
  if (!needs(t, [QEMU])) return
  let passed = 0
  const two = { vcpus: 2, memory: 32n << 20n }
  const result = await measure(
    ({ pass }) => {
      passed++
      pass()
    },
    { machines: { sender: two, echo: two }, frames: { bytes: 1514, intervalMicroseconds: 5000 } },
  )
  const { frames, histogram, vcpus } = result
  t.ok(frames.sent > 0, `${frames.sent} sent`)
  // On a busy machine a frame may take longer than the second after which it counts as lost.
  t.ok(frames.lost - frames.late <= 1, `${frames.lost} lost, of which ${frames.late} late`)
  t.match(frames, { sent: frames.received + frames.lost, duplicates: 0, reordered: 0, foreign: 0 })
  t.equal(
    histogram.reduce((total, { count }) => total + count, 0),
    frames.received,
    'each that came back is in the histogram',
  )
  t.ok(passed >= 2 * frames.received, `${passed} on the wire, in both directions`)
  t.match(vcpus, [
    { role: 'sender', number: 1, policy: 'other' },
    { role: 'echo', number: 1, policy: 'other' },
  ])
  t.match(
    result.meaningless,
    /^the sender's vCPU and the echo's vCPU poll, .*: 3 CPUs are needed, and 2 are there$/,
  )
})

t.test('loss in either direction, frames that come twice and frames that overtake are counted', async (t) => {
  if (!needs(t, [QEMU])) return
  let held: (() => void) | null = null
  const { frames, seconds } = await measure(({ from, number, pass }) => {
    const kind = number % 10
    if ((kind === 1 && from === 'sender') || (kind === 3 && from === 'echo')) return
    if (kind === 5 && from === 'echo') pass()
    // The next one overtakes it.
    if (kind === 7 && from === 'echo') {
      held = pass
      return
    }
    pass()
    if (kind === 8 && from === 'echo') {
      held?.()
      held = null
    }
  })
  const { sent, received, lost, late, duplicates, reordered } = frames
  t.ok(sent > 0, `${sent} sent`)
  t.equal(sent, received + lost)
  // Each record, which is of about a second, may have a frame less or more of each kind; and one that is held may be lost.
  const about = (count: number, share: number, what: string) =>
    t.ok(Math.abs(count - sent * share) <= seconds + 3, `${count} ${what} of ${sent}`)
  about(lost - late, 0.2, 'lost')
  about(duplicates, 0.1, 'twice')
  about(reordered + late, 0.1, 'overtaken')
})

t.test('a delay on the wire is in each round trip, and a stop of the wire is the worst', async (t) => {
  if (!needs(t, [QEMU])) return
  const DELAY_MS = 3
  const STOP_MS = 400
  const result = await measure(({ from, number, pass }) => {
    if (from === 'sender') return pass()
    const due = performance.now() + (number % 100 === 50 ? STOP_MS : DELAY_MS)
    // A timer may be early by less than a millisecond.
    const look = () => (performance.now() < due ? setTimeout(look, 1) : pass())
    look()
  })
  const [fastest] = result.histogram
  t.ok((fastest?.toMicroseconds ?? 0) >= DELAY_MS * 1000, `the fastest: below ${fastest?.toMicroseconds} us`)
  t.comment(
    `and from ${fastest?.fromMicroseconds} us: how much the guests themselves take is the machine's affair`,
  )
  t.ok(result.worstMicroseconds >= STOP_MS * 990, `the worst: ${result.worstMicroseconds} us`)
})
