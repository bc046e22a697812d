import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { parseVm, type VmRecord } from '../../src/record/vm.js'
import { waitFor } from '../e2e/wait.js'
import { launcher, PATH, plannerForms, temporaryDirectory } from './launcher.js'
import { hostOfPlenty, vfAddress } from './many-hosts.js'

const CONFIG = `
[host]
housekeeping = "0-1"
realtime = "2-101"

[nic.line]
id = "8086:154c"
pool = true

[profile.rt]
vcpus = { cpus = "auto" }
`

/** A stand-in for QEMU that runs until it is killed, or the test has ended, however. */
const EMULATOR = `#!/bin/sh
case " $* " in *" -daemonize "*) setsid sleep 300 </dev/null >/dev/null 2>&1 & exit ;; esac
exec cat >/dev/null
`

interface Site {
  readonly sysroot: string
  readonly start: (args?: readonly string[], env?: Readonly<Record<string, string>>) => Launched
}

interface Launched {
  readonly child: ChildProcess
  readonly stderr: () => string
  /** When it has become the stand-in: its plan; null when it ended instead. */
  readonly plan: () => Promise<VmRecord | null>
}

/** A host of its own, with leases of its own, for launches that get a NIC of a pool and a CPU. */
function site(t: Test, { vfs = 2, cpus = 100, env = {} as Readonly<Record<string, string>> } = {}): Site {
  const sysroot = temporaryDirectory(t)
  hostOfPlenty(sysroot, vfs, cpus)
  const emulator = join(sysroot, 'qemu-system-x86_64')
  writeFileSync(emulator, EMULATOR)
  chmodSync(emulator, 0o755)
  const config = join(sysroot, 'qemu-rt.toml')
  writeFileSync(config, CONFIG)
  const start: Site['start'] = (args = ['--rt-profile', 'rt', '--rt-nic', 'line'], more = {}) => {
    const child = spawn(launcher('qemu-rt'), ['run', '--', ...args, '-name', 'guest=vm'], {
      env: {
        PATH,
        QEMU_RT_CONFIG: config,
        QEMU_RT_SYSROOT: sysroot,
        QEMU_RT_EMULATOR: emulator,
        ...env,
        ...more,
      },
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    let stderr = ''
    child.stderr.on('data', (chunk) => (stderr += chunk))
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const plan = async () => {
      // 100 at once are looked at: seldom, so that it is not this that takes the time.
      for (
        const pid = child.pid ?? 0;
        child.exitCode === null && child.signalCode === null;
        await sleep(250)
      ) {
        const found = planOf(pid)
        if (found !== null) return found
      }
      await ended
      return null
    }
    return { child, stderr: () => stderr, plan }
  }
  return { sysroot, start }
}

/** The plan in a process's environment, once it has become the stand-in. */
function planOf(pid: number): VmRecord | null {
  try {
    if (readFileSync(`/proc/${pid}/comm`, 'utf8') !== 'cat\n') return null
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
    const text = environment.find((one) => one.startsWith('QEMU_RT_PLAN='))?.slice('QEMU_RT_PLAN='.length)
    return parseVm(text ?? '')
  } catch {
    return null
  }
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await ended
}

const leaseFiles = (sysroot: string) =>
  readdirSync(`${sysroot}/run/qemu-rt/leases`).flatMap((user) =>
    readdirSync(`${sysroot}/run/qemu-rt/leases/${user}`),
  )

for (const form of plannerForms()) {
  t.test(`${form.name}: a NIC of a pool and a CPU are held until QEMU is killed`, async (t) => {
    const { start, sysroot } = site(t, { vfs: 1, env: form.env })
    const first = start()
    t.match(await first.plan(), { lease: { nics: ['0000:10:00.0'], cpus: [2] } })
    const second = start()
    t.equal(await second.plan(), null)
    t.equal(second.child.exitCode, 69)
    t.equal(
      second.stderr(),
      `qemu-rt: NIC pool 'line' has no free device: 0000:10:00.0 is taken by guest 'vm' (PID ${first.child.pid}); stop a VM or wait for one with --wait SECONDS, bind another device to vfio-pci, or widen the pool (${sysroot}/qemu-rt.toml:6)\n`,
    )
    await stop(first.child, 'SIGKILL')
    const third = start()
    t.match(await third.plan(), { lease: { nics: ['0000:10:00.0'], cpus: [2] } })
    t.equal(leaseFiles(sysroot).length, 1, 'what the first had is cleared away')
  })

  t.test(`${form.name}: --wait starts as soon as another VM has let go`, async (t) => {
    const { start } = site(t, { vfs: 1, env: form.env })
    const first = start()
    await first.plan()
    const second = start(['--rt-nic', 'line', '--rt-wait', '60'])
    await waitFor('the second launch to have looked once', 10, () =>
      existsSync(`/proc/${second.child.pid}/fd`),
    )
    await sleep(600)
    t.equal(planOf(second.child.pid ?? 0), null)
    await stop(first.child, 'SIGTERM')
    t.match(await second.plan(), { lease: { nics: ['0000:10:00.0'] } })
  })
}

t.test('--wait ends with the error when the time is over', async (t) => {
  const { start } = site(t, { vfs: 1 })
  await start().plan()
  const second = start(undefined, { QEMU_RT_WAIT: '0.5' })
  t.equal(await second.plan(), null)
  t.match(second.stderr(), /^qemu-rt: after 0.5 s still: NIC pool 'line' has no free device: /)
})

t.test('--wait does not wait for what no other VM has', async (t) => {
  const { start } = site(t, { vfs: 0 })
  const waiting = start(undefined, { QEMU_RT_WAIT: '600' })
  t.equal(await waiting.plan(), null)
  t.match(waiting.stderr(), /matches no device/)
})

t.test('a device that is named by its address is held, too', async (t) => {
  const { start } = site(t, { vfs: 1 })
  const address = vfAddress(0)
  const first = await start(['-device', `vfio-pci,host=${address}`]).plan()
  t.strictSame(first?.lease, { nics: [address], cpus: [] })
  const pool = start()
  t.equal(await pool.plan(), null)
  t.match(pool.stderr(), /NIC pool 'line' has no free device: .* is taken by guest 'vm'/)
  const same = start(['-device', `vfio-pci,host=${address},id=h0`])
  t.equal(await same.plan(), null)
  t.match(same.stderr(), /^qemu-rt: device 'h0' is held by guest 'vm' /)
})

t.test('--wait is a number of seconds', async (t) => {
  const { start } = site(t)
  const wrong = start(['--rt-wait', 'long'])
  await wrong.plan()
  t.equal(wrong.child.exitCode, 64)
  t.equal(wrong.stderr(), "qemu-rt: 'long' is not a number of seconds: --wait; see 'qemu-rt run --help'\n")
})

t.test('with -daemonize the lease is the child’s that goes on', async (t) => {
  const { start, sysroot } = site(t, { vfs: 1 })
  const daemon = start(['--rt-nic', 'line', '-daemonize'])
  await waitFor('the parent to end', 30, () => daemon.child.exitCode === 0)
  const [pid = 0] = heldBy(sysroot)
  t.teardown(() => process.kill(pid, 'SIGKILL'))
  t.not(pid, daemon.child.pid)
  const second = start(['--rt-nic', 'line'])
  t.equal(await second.plan(), null)
  t.match(second.stderr(), /0000:10:00.0 is taken by guest 'vm'; /)
})

/** Processes that have a lease file open. */
function heldBy(sysroot: string): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  return pids.filter((pid) => {
    try {
      const files = readdirSync(`/proc/${pid}/fd`)
      return files.some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(`${sysroot}/run/`))
    } catch {
      return false
    }
  })
}

t.test(
  '100 launches at once on 100 VFs and 100 CPUs: each has its own, and what ends is given again',
  async (t) => {
    const count = 100
    const { start } = site(t, { vfs: count })
    const launches = Array.from({ length: count }, () => start())
    const plans = await Promise.all(launches.map(({ plan }) => plan()))
    t.strictSame(
      launches.map(({ stderr }) => stderr()).filter((text) => text !== ''),
      [],
    )
    const nics = plans.flatMap((plan) => plan?.lease?.nics ?? [])
    const cpus = plans.flatMap((plan) => plan?.lease?.cpus ?? [])
    t.equal(nics.length, count)
    t.equal(new Set(nics).size, count, 'no NIC twice')
    t.equal(cpus.length, count)
    t.equal(new Set(cpus).size, count, 'no CPU twice')

    const killed = launches.filter((_, index) => index % 3 === 0)
    const freed = plans.filter((_, index) => index % 3 === 0)
    await Promise.all(killed.map(({ child }) => stop(child, 'SIGKILL')))
    const again = killed.map(() => start())
    const newPlans = await Promise.all(again.map(({ plan }) => plan()))
    const sorted = (all: readonly (VmRecord | null)[], what: (plan: VmRecord) => readonly unknown[]) =>
      all.flatMap((plan) => (plan === null ? [] : what(plan))).sort()
    t.strictSame(
      sorted(newPlans, ({ lease }) => lease?.nics ?? []),
      sorted(freed, ({ lease }) => lease?.nics ?? []),
    )
    t.strictSame(
      sorted(newPlans, ({ lease }) => lease?.cpus ?? []),
      sorted(freed, ({ lease }) => lease?.cpus ?? []),
    )
    const late = start()
    t.equal(await late.plan(), null)
    t.equal(late.child.exitCode, 69)
  },
)
