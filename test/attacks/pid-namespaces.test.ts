import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseVm } from '../../src/record/vm.js'
import { needsLibvirt } from '../e2e/libvirtd.js'
import { launcher, temporaryDirectory } from '../launcher/launcher.js'
import { hostOfPlenty } from '../launcher/many-hosts.js'
import { type Ended, run } from '../launcher/run.js'
import { IN_A_FILE, QEMU_ARGS } from './help/launch.js'

// P: in containers nobody sees whose a lock is, and another process has the launcher's PID.

/** CPUs 2 to 4 are for three VMs; the launches run on those that this machine has. */
const CONFIG = `
[host]
housekeeping = "0"
realtime = "2-4"
[profile.rt]
vcpus = { cpus = "auto" }
`

interface Container {
  readonly run: (...command: readonly string[]) => Promise<Ended>
  /** Ends everything in it. */
  readonly end: () => Promise<void>
}

/** PIDs of its own; files as outside. */
async function container(t: Test): Promise<Container> {
  const init = ['sh', '-c', 'echo ready; while :; do sleep 1000 & wait; done']
  const child = spawn('unshare', ['--pid', '--fork', '--kill-child', '--mount-proc', ...init])
  t.teardown(() => end(child))
  await once(child.stdout, 'data')
  const pid = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'latin1').trim()
  return {
    run: (...command) => run(['nsenter', '--target', pid, '--mount', '--pid', '--', ...command]),
    end: () => end(child),
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** A host with CPUs for three, whose leases the containers share. */
function host(t: Test) {
  const sysroot = temporaryDirectory(t)
  hostOfPlenty(sysroot, 0, 3)
  const config = join(sysroot, 'qemu-rt.toml')
  writeFileSync(config, CONFIG)
  let launched = 0
  /** @returns the CPU that it got, and the QEMU; or why it got none */
  return async ({ run }: Container) => {
    const pidFile = join(sysroot, `${launched}.pid`)
    const name = ['-name', `vm-${launched++}`, '-pidfile', pidFile]
    const flags = ['--sysroot', sysroot, '--config', config, '--profile', 'rt']
    const ended = await run(...IN_A_FILE, launcher('qemu-rt'), 'run', ...flags, '--', ...QEMU_ARGS, ...name)
    if (ended.status !== 0) return { cpus: [], pid: null, ...ended }
    const pid = readFileSync(pidFile, 'latin1').trim()
    const { stdout } = await run('sed', '-zn', 's/^QEMU_RT_PLAN=//p', `/proc/${pid}/environ`)
    const cpus = parseVm(stdout.replace(/\0$/, ''))?.lease?.cpus ?? []
    return { cpus, pid, ...ended }
  }
}

const SITES: Readonly<Record<string, (t: Test) => Promise<() => Promise<Container>>>> = {
  'each in a container of its own': async (t) => () => container(t),
  'all in one container': async (t) => {
    const one = await container(t)
    return async () => one
  },
}

for (const [where, site] of Object.entries(SITES)) {
  t.test(`three VMs with -daemonize, ${where}, have a CPU each`, async (t) => {
    if (!needsLibvirt(t)) return
    const launch = host(t)
    const next = await site(t)
    const vms = []
    for (let vm = 0; vm < 3; vm++) {
      const inside = await next()
      vms.push({ inside, ...(await launch(inside)) })
    }
    // Its CPUs are not this machine's, which is said, and no more.
    t.strictSame(
      vms.map(({ status }) => status),
      [0, 0, 0],
      'they run',
    )
    t.strictSame(vms.flatMap(({ cpus }) => cpus).sort(), [2, 3, 4], 'each has its own')
    const fourth = await launch(await next())
    t.match(fourth, { status: 69, stderr: /^qemu-rt: [^\n]*CPU[^\n]*\n$/ }, 'a fourth is refused')
    const [first] = vms
    await first?.inside.run('kill', '-9', first.pid ?? '')
    // A lease of another PID namespace that is a few seconds old may be of a launcher that is about to lock it.
    const end = Date.now() + 10_000
    let again = await launch(await next())
    while (again.status !== 0 && Date.now() < end) again = await launch(await next())
    t.strictSame(again.cpus, first?.cpus, 'another gets the CPU of the one that has ended')
  })
}
