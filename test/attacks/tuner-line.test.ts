import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, chownSync, linkSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { QEMU, stopChild } from '../e2e/launch.js'
import { needs, unmet } from '../e2e/needs.js'
import { waitFor } from '../e2e/wait.js'
import { writeFiles } from '../host/made-host.js'
import { launcher, PATH, processesWith, temporaryDirectory } from '../launcher/launcher.js'
import { COMPILER } from './help/compile.js'
import { hostileQemu } from './help/hostile.js'

// C1, by hand: the tuner of a QEMU that root starts at a shell writes a line as root, too.

const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"
[profile.rt]
vcpus = { cpus = "auto" }
`
const GUEST = ['-nodefaults', '-display', 'none', '-accel', 'tcg', '-cpu', 'pentium', '-m', '32']
const LINE = /qemu-rt: guest 'vm': .*vCPU 0 on CPU 1.*; set after \d+ ms\r?\n/
const NOBODY = 65534

/** Where the person at the shell has QEMU's stderr go. */
interface Place {
  /** Program that becomes the launcher, or runs it on a terminal or a pipe; the launch is its last arguments. */
  readonly prefix?: readonly string[]
  /** Makes what belongs beside the file, given the directory that it is in. */
  readonly prepare?: (directory: string) => void
  /** For QEMU. */
  readonly args?: readonly string[]
  /** Whether the tuner's line is to go to the system's log instead of there. */
  readonly toSystem: boolean
}

const PLACES: Readonly<Record<string, Place>> = {
  "a file of root's": { toSystem: false },
  'nothing, after -daemonize': { args: ['-daemonize'], toSystem: true },
  'a terminal': { prefix: ['sh', '-c', 'exec script -qfec "$*" /dev/null', 'sh'], toSystem: false },
  // Who reads from a pipe must not wait for the tuner, so the tuner does not keep one.
  'a pipe': { prefix: ['sh', '-c', '"$@" 2>&1 | cat', 'sh'], toSystem: true },
  'a file in a directory of others': { prepare: (at) => chmodSync(at, 0o777), toSystem: true },
  "another user's file": { prepare: (at) => chownSync(join(at, 'log'), NOBODY, NOBODY), toSystem: true },
  'a file that others may write': { prepare: (at) => chmodSync(join(at, 'log'), 0o666), toSystem: true },
  'a file with two names': { prepare: (at) => linkSync(join(at, 'log'), join(at, 'b')), toSystem: true },
}

interface Launched {
  /** What came out at the person's end. */
  readonly seen: () => string
  /** What was given to logger(1). */
  readonly logged: () => string
  readonly victim: () => string
}

/** Starts a QEMU that points its stderr at a file of root's before it does anything else. */
function launch(t: Test, { prefix = [], prepare, args = [] }: Place): Launched {
  const site = temporaryDirectory(t)
  const inSite = (name: string) => join(site, name)
  writeFiles(inSite('host'), {
    '/sys/devices/system/cpu/present': '0-1\n',
    '/sys/devices/system/cpu/online': '0-1\n',
  })
  writeFileSync(inSite('qemu-rt.toml'), CONFIG)
  for (const name of ['victim', 'logged']) writeFileSync(inSite(name), '')
  mkdirSync(inSite('bin'))
  writeFileSync(inSite('bin/logger'), `#!/bin/sh\nprintf '%s: %s\\n' "$2" "$4" >>'${inSite('logged')}'\n`)
  chmodSync(inSite('bin/logger'), 0o755)
  mkdirSync(inSite('log'))
  const log = openSync(inSite('log/log'), 'a')
  prepare?.(inSite('log'))
  const hostile = hostileQemu(t, `stderr ${inSite('victim')}`)
  const [program = '', ...rest] = [
    ...prefix,
    launcher(),
    ...['--rt-profile', 'rt', '-name', 'guest=vm', ...GUEST, ...args],
  ]
  const child = spawn(program, rest, {
    env: {
      PATH: `${inSite('bin')}:${PATH}`,
      QEMU_RT_EMULATOR: QEMU,
      QEMU_RT_CONFIG: inSite('qemu-rt.toml'),
      QEMU_RT_SYSROOT: inSite('host'),
      ...hostile.env,
    },
    stdio: ['ignore', log, log],
  })
  t.teardown(() => stop(child, hostile.directory))
  const text = (name: string) => () => readFileSync(inSite(name), 'utf8')
  return { seen: text('log/log'), logged: text('logged'), victim: text('victim') }
}

/** QEMU may be a child of `script`. */
async function stop(child: ChildProcess, mark: string): Promise<void> {
  for (const pid of processesWith(`HOSTILE_DIRECTORY=${mark}`)) process.kill(pid, 'SIGKILL')
  await stopChild(child)
}

t.test("root's tuner writes where the launch's stderr was, not where QEMU points its own", async (t) => {
  if (process.getuid?.() !== 0) return void unmet(t, 'this needs root')
  if (!needs(t, [QEMU, 'script', 'taskset', 'flock', ...COMPILER])) return
  await Promise.all(
    Object.entries(PLACES).map(async ([name, place]) => {
      const { seen, logged, victim } = launch(t, place)
      const all = () => seen() + logged() + victim()
      await waitFor(`the line of a launch with ${name}`, 60, () => LINE.test(all()))
      t.equal(victim(), '', `${name}: a file of QEMU's choice has nothing`)
      t.match(place.toSystem ? logged() : seen(), LINE, `${name}: the line is there`)
      t.notMatch(place.toSystem ? seen() : logged(), LINE, `${name}: and there alone`)
    }),
  )
})
