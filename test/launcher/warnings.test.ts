import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { WARNINGS } from '../../src/plan/warnings.js'
import { needs } from '../e2e/needs.js'
import { launcher, start, temporaryDirectory } from './launcher.js'

/** Starts a command line with its standard error in a file, as a service's is, and gives what is in there. */
async function logOf(t: Parameters<typeof start>[0], args: readonly string[]) {
  const log = join(temporaryDirectory(t), 'log')
  const prefix = ['sh', '-c', 'log=$1; shift; exec "$@" 2>>"$log"', 'sh', log]
  const { received, code } = await start(t, launcher(), { args, prefix })
  t.equal(code, 0)
  t.not(received, null, 'QEMU is started')
  return readFileSync(log, 'utf8')
}

const NAMED = ['-name', 'vm,debug-threads=on', '-machine', 'q35']
const VHOST_USER = ['-netdev', 'vhost-user,id=n,chardev=c']

t.test('that a device will move nothing is in the log of the service', async (t) => {
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(config, '[profile.p]\nshare = "never"\n')
  t.equal(
    await logOf(t, ['--rt-config', config, '--rt-profile', 'p', ...NAMED, ...VHOST_USER]),
    `qemu-rt: warning: profile 'p' has share = "never", so guest RAM stays private and -netdev vhost-user 'n' will move no data\n`,
  )
})

t.test('and devices that could not be looked at', async (t) => {
  const fifo = join(temporaryDirectory(t), 'fifo')
  execFileSync('mkfifo', [fifo])
  t.equal(
    await logOf(t, [...NAMED, '-readconfig', fifo]),
    `qemu-rt: warning: -readconfig ${fifo} (option 3) could not be read here: devices and memory in it are not looked at\n`,
  )
  t.match(
    await logOf(t, [...NAMED, '-set', 'device.net0.host=0000:03:00.0']),
    /^qemu-rt: warning: -set device.net0.host=0000:03:00.0 \(option 3\) changes devices after the plan was made; .*\n$/,
  )
})

t.test('and that the host is not set up for real-time VMs, in one line', async (t) => {
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(config, '[profile.p]\nvcpus = { cpus = "2", policy = "fifo" }\n')
  const host = fileURLToPath(new URL('../../fixtures/hosts/real-time', import.meta.url))
  const sysroot = join(temporaryDirectory(t), 'host')
  cpSync(host, sysroot, { recursive: true })
  writeFileSync(join(sysroot, 'proc/sys/kernel/sched_rt_runtime_us'), '950000\n')
  writeFileSync(join(sysroot, 'sys/devices/system/cpu/isolated'), '\n')
  const log = await logOf(t, ['--rt-sysroot', sysroot, '--rt-config', config, '--rt-profile', 'p', ...NAMED])
  t.match(
    log,
    /^qemu-rt: warning: real-time throttling is on .*; also CPU 2 of real-time vCPUs is not isolated: .*\n/,
  )
  t.equal(log.match(/qemu-rt: warning/g)?.length, 1)
})

t.test('what is for a person is not, so that it ends with the words of QEMU', async (t) => {
  // The RAM's name of this machine type is not known, which a migration would notice.
  t.equal(
    await logOf(t, ['-name', 'vm,debug-threads=on', '-machine', 'nonesuch', '-m', '1G', ...VHOST_USER]),
    '',
  )
  t.equal(await logOf(t, [...NAMED, ...VHOST_USER]), '')
})

t.test('a terminal shows all', async (t) => {
  if (!needs(t, ['script'])) return
  const { stdout } = await start(t, launcher(), {
    args: ['-name', 'vm,debug-threads=on', '-machine', 'nonesuch', '-m', '1G', ...VHOST_USER],
    prefix: ['sh', '-c', `exec script -qec "$(printf "'%s' " "$@")" /dev/null`, 'sh'],
  })
  t.match(stdout, /qemu-rt: warning: machine type 'nonesuch': name of its RAM not known/)
})

t.test('every kind says why it reaches whom it reaches', async (t) => {
  const serious = Object.entries(WARNINGS).filter(([, { reaches }]) => reaches === 'log')
  t.strictSame(serious.map(([kind]) => kind).sort(), [
    'held-cpu',
    'kept-away',
    'no-data',
    'other-device',
    'unprepared',
    'unseen',
  ])
  for (const [kind, { because }] of Object.entries(WARNINGS)) t.ok(because.length > 20, kind)
})
