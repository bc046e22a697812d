import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runNetwork, type Wire } from '../../src/jitter/network/run.js'
import { testpmdWire } from '../../src/jitter/network/wires.js'
import { launcher, PATH, processesWith, temporaryDirectory } from '../launcher/launcher.js'
import { qemuRt } from '../launcher/run.js'
import { QEMU, stopChild } from './launch.js'
import { needs } from './needs.js'
import { waitFor } from './wait.js'

/** In the environment of all that a test starts, so that what is left can be found. */
const MARK = `jitter-network-test-${process.pid}`
const ENV = { PATH, QEMU_RT_EMULATOR: QEMU, MARK }
const NETWORK = ['jitter', '--mode', 'network', '--accel', 'tcg']

const jitter = (...args: string[]) => qemuRt([...NETWORK, ...args], { env: ENV, timeout: 200_000 })

const nothingIsLeft = () => waitFor('everything to end', 20, () => processesWith(MARK).length === 0)

const hasSwitch = (t: Test) => needs(t, [QEMU, 'dpdk-testpmd'])

t.test('frames go through testpmd and come back, and nothing is left', async (t) => {
  if (!hasSwitch(t)) return
  const { status, stdout, stderr } = jitter(
    ...['--switch', 'testpmd', '--seconds', '2', '--format', 'json', '--interval', '5ms'],
  )
  t.equal(status, 0, stderr)
  const { mode, runs, worstRatio } = JSON.parse(stdout)
  t.equal(mode, 'network')
  t.equal(worstRatio, null)
  const [{ frames, histogram, ticksPerMicrosecond, vcpus }] = runs
  t.match(runs, [{ profile: null, accelerator: 'tcg', frameBytes: 64, intervalMicroseconds: 5000 }])
  t.ok(frames.received > 0, `${frames.received} came back`)
  t.equal(frames.sent, frames.received + frames.lost)
  t.match(frames, { duplicates: 0, reordered: 0, foreign: 0 })
  t.ok(histogram.length > 0 && ticksPerMicrosecond > 100)
  t.strictSame(
    vcpus.map(({ role }: { role: string }) => role),
    ['sender', 'echo'],
  )
  await nothingIsLeft()
})

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** testpmd as the product starts it, with its PID in a file. */
function observedTestpmd(pidFile: string): Wire {
  const wire = testpmdWire({ pollCpu: 1, mainCpu: 0, memory: '4 KiB pages' })
  return {
    start: (place) =>
      wire.start({
        ...place,
        children: {
          add: (child) => {
            writeFileSync(pidFile, String(child.pid))
            return place.children.add(child)
          },
        },
      }),
  }
}

t.test('a switch that is stopped loses frames, and those that it had come late', async (t) => {
  if (!hasSwitch(t)) return
  const pidFile = join(temporaryDirectory(t), 'pid')
  const machine = { vcpus: 1, memory: 32n << 20n }
  const { frames } = await runNetwork({
    launcher: launcher('qemu-rt'),
    emulator: QEMU,
    accelerator: 'tcg',
    profiles: { sender: null, echo: null },
    machines: { sender: machine, echo: machine },
    config: null,
    frames: { bytes: 64, intervalMicroseconds: 1000 },
    seconds: 8,
    load: `pid=$(cat ${pidFile}); sleep 1; kill -STOP $pid; sleep 3; kill -CONT $pid; exec sleep 1000`,
    online: [0, 1],
    wire: observedTestpmd(pidFile),
  })
  t.ok(frames.lost > 0, `${frames.lost} lost`)
  t.ok(frames.late > 0, `${frames.late} of them late`)
  t.equal(frames.sent, frames.received + frames.lost)
  const pid = Number(readFileSync(pidFile, 'utf8'))
  // Killed, it is there until it is waited for.
  await waitFor('testpmd to end', 20, () => !isThere(pid))
})

t.test("a switch of the user's, which connects to QEMU's sockets", async (t) => {
  if (!hasSwitch(t)) return
  const directory = temporaryDirectory(t)
  const sockets = [join(directory, 'port0'), join(directory, 'port1')]
  const ports = sockets.flatMap((path, port) => [
    ...['--vdev', `net_vhost${port},iface=${path},queues=1,client=1`],
  ])
  const child = spawn(
    'dpdk-testpmd',
    [
      ...['--no-huge', '-m', '64', '--no-pci', '--no-telemetry', '--file-prefix=user', '-l', '0-1', ...ports],
      ...['--', '--forward-mode=io', '--total-num-mbufs=2048'],
    ],
    { env: { PATH, RUNTIME_DIRECTORY: directory }, stdio: ['pipe', 'ignore', 'ignore'] },
  )
  t.teardown(() => stopChild(child))
  const { status, stdout, stderr } = jitter(
    ...['--seconds', '2', '--interval', '5ms', ...sockets.flatMap((path) => ['--socket', `${path},server`])],
  )
  t.equal(status, 0, stderr)
  t.match(
    stdout,
    /^Best effort, TCG, \d+ s: worst round trip [\s\S]*\n {2}echo: vCPU 0 on CPU [\s\S]*[1-9]\d* back/,
  )
  await nothingIsLeft()
})

t.test('SIGINT and SIGTERM end guests and switch', async (t) => {
  if (!hasSwitch(t)) return
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const child = spawn(launcher('qemu-rt'), [...NETWORK, '--switch', 'testpmd'], {
      env: ENV,
      stdio: 'ignore',
    })
    t.teardown(() => stopChild(child))
    // This program, its two QEMUs and the switch.
    await waitFor('all to run', 60, () => processesWith(MARK).length >= 4)
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    t.equal(await ended, 130)
    await nothingIsLeft()
  }
})

t.test('wrong usage, and what is not there', async (t) => {
  const nowhere = join(temporaryDirectory(t), 'no-socket')
  const cases: [args: readonly string[], status: number, stderr: RegExp][] = [
    [[], 64, /^qemu-rt: --mode network needs a switch with two ports; give --switch testpmd, or /],
    [['--socket', '/a'], 64, /two ports, and --socket was given once; /],
    [['--socket', '/a', '--socket', '/a,server'], 64, /--socket was given 2 times; .*two different paths/],
    [
      ['--switch', 'testpmd', '--socket', '/a', '--socket', '/b'],
      64,
      /^qemu-rt: --switch starts a switch, and --socket names one that runs: .*; leave out one of the two$/m,
    ],
    [
      ['--switch', 'testpmd', '--floor', 'none'],
      64,
      /^qemu-rt: --mode network has no such option: --floor; leave it out$/m,
    ],
    [['--switch', 'testpmd', '--floor', 'auto'], 64, /: --floor; /],
    [
      ['--switch', 'testpmd', '--frame-size', '59'],
      64,
      /^qemu-rt: '59' is not from 60 to 1514: --frame-size; /,
    ],
    [
      ['--switch', 'testpmd', '--interval', '10us'],
      64,
      /^qemu-rt: '10us' is not from 20us to 100ms: --interval; /,
    ],
    [
      ['--socket', nowhere, '--socket', '/b'],
      69,
      /^qemu-rt: there is no socket: .*no-socket; start the switch first/,
    ],
  ]
  for (const [args, status, stderr] of cases) {
    const result = jitter(...args)
    t.equal(result.status, status, args.join(' '))
    t.match(result.stderr, stderr)
    t.equal(result.stderr.trimEnd().split('\n').length, 1, 'one line')
  }
  const spin = (...args: string[]) => qemuRt(['jitter', '--mode', 'spin', ...args], { env: ENV })
  t.match(spin('--switch', 'testpmd'), {
    status: 64,
    stderr: 'qemu-rt: --mode spin has no such option: --switch; add --mode network, or leave it out\n',
  })
  t.match(spin('--socket', '/a'), { status: 64, stderr: /: --socket; [^\n]+\n$/ })
})
