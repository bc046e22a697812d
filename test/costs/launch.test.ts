import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { needs, unmet } from '../e2e/needs.js'
import { launcher, PATH, plannerForms, temporaryDirectory } from '../launcher/launcher.js'
import { hostOfPlenty, vfAddress } from '../launcher/many-hosts.js'
import { programNames as names, type TracedProcess, traceProcess } from './trace.js'

/*
 * What a launch costs in counts that are the same on every machine: processes, programs, files. Time is measured by
 * `npm run bench`. Who makes a launch do more changes a number here, and can say why.
 */

const GUEST = ['-name', 'guest=plc-1', '-machine', 'q35', '-m', '64', '-smp', '2', '-display', 'none']

const CONFIG = `
[host]
housekeeping = "0"
realtime = "2-9"
[nic.fieldbus0]
address = "${vfAddress(1)}"
[profile.rt]
vcpus = { cpus = "auto" }
[[domain]]
name = "plc-*"
profile = "rt"
nics = ["fieldbus0"]
`

/** In QEMU's place. */
const EMULATOR = '/bin/true'

interface Launch {
  readonly launched: TracedProcess
  readonly sysroot: string
  /** Path of the configuration. */
  readonly configuration: string
}

function launch(t: Test, args: readonly string[], config: string, entry = 'qemu-rt-system-x86_64'): Launch {
  const sysroot = join(temporaryDirectory(t), 'host')
  hostOfPlenty(sysroot, 2, 8)
  return launchOn(t, sysroot, args, config, entry)
}

function launchOn(t: Test, sysroot: string, args: readonly string[], config: string, entry: string): Launch {
  const scratch = temporaryDirectory(t)
  const trace = join(scratch, 'strace')
  mkdirSync(trace)
  const configuration = join(scratch, 'qemu-rt.toml')
  writeFileSync(configuration, config)
  const env = {
    PATH,
    QEMU_RT_EMULATOR: EMULATOR,
    QEMU_RT_CONFIG: configuration,
    QEMU_RT_SYSROOT: sysroot,
  }
  return { launched: traceProcess(trace, [launcher(entry), ...args], env), sysroot, configuration }
}

const isTuner = ({ programs }: TracedProcess) => programs.some((words) => words.includes('"tuner"'))

function isTraceable(t: Test): boolean {
  if (!needs(t, ['strace'])) return false
  if (process.getuid?.() !== 0) return unmet(t, 'a configuration of another user than root is refused')
  if (plannerForms().length < 2) return unmet(t, 'there is no executable of the planner')
  return true
}

t.test("libvirt's probe starts no process and opens nothing but the launcher", async (t) => {
  if (!isTraceable(t)) return
  const probe = ['-S', '-no-user-config', '-nodefaults', '-nographic', '-machine', 'none,accel=kvm:tcg']
  const rest = ['-qmp', 'unix:/x,server=on,wait=off', '-pidfile', '/y', '-daemonize']
  const { launched } = launch(t, [...probe, ...rest], CONFIG)
  t.strictSame(names(launched), ['qemu-rt-system-x86_64', 'true'])
  t.strictSame(launched.children, [])
  t.strictSame(launched.opened.filter(isOurs), [launcher()])
})

t.test('a launch without a configuration starts the planner alone', async (t) => {
  if (!isTraceable(t)) return
  const { launched, configuration } = launch(t, GUEST, '')
  t.strictSame(names(launched), ['qemu-rt-system-x86_64', 'true'])
  // The checkout's launcher asks where it is; an installed one knows.
  t.strictSame(launched.children.map(names), [['readlink'], ['qemu-rt-planner']])
  const planner = launched.children[1]
  t.strictSame(planner?.children, [])
  t.strictSame(planner?.opened.filter(isOurs), [configuration, `/proc/${launched.pid}/environ`])
})

t.test('a launch with profile, NIC name and lease: its programs, and each file once', async (t) => {
  if (!isTraceable(t)) return
  const { launched, sysroot, configuration } = launch(t, GUEST, CONFIG)
  t.strictSame(names(launched), ['qemu-rt-system-x86_64', 'flock', 'taskset', 'true'])
  t.strictSame(launched.children.map(names), [['readlink'], ['qemu-rt-planner']])
  const planner = launched.children[1]
  t.strictSame(planner?.children.map(names), [['flock'], ['taskset', 'qemu-rt-planner']])
  t.strictSame(planner?.children.map(isTuner), [false, true])
  const opened = planner?.opened.filter(isOurs).map((path) => path.replace(sysroot, '')) ?? []
  const counted = (part: string) => opened.filter((path) => path.includes(part)).length
  t.equal(
    counted('/sys/bus/pci/devices/'),
    2 * 2 + 1,
    'two files for each PCI device, and the header of the one that is given',
  )
  t.equal(counted('/topology/thread_siblings_list'), 0, 'nothing where the host has no such file')
  const lease = /^\/run\/qemu-rt\/leases\/\d+\/[^/]+\.lease$/
  t.equal(opened.filter((path) => lease.test(path)).length, 1, 'its own lease, to write it')
  t.strictSame(
    opened.filter((path) => !path.includes('/sys/bus/pci/devices/') && !lease.test(path)),
    [
      configuration,
      '/sys/bus/pci/devices',
      '/sys/class/net',
      '/dev/vfio',
      '/sys/devices/system/cpu/present',
      '/sys/devices/system/cpu/online',
      `/proc/${launched.pid}/stat`,
      '/run/qemu-rt/leases',
      '/run/qemu-rt/leases',
      '/run/qemu-rt/leases/0',
      `/proc/${launched.pid}/environ`,
    ],
  )
})

t.test("a launch after a VM that has ended tries that VM's lock, and waits for no CPU", async (t) => {
  if (!isTraceable(t)) return
  const { sysroot } = launch(t, GUEST, CONFIG)
  const { launched } = launchOn(t, sysroot, GUEST, CONFIG, 'qemu-rt-system-x86_64')
  const planner = launched.children[1]
  t.strictSame(planner?.children.map(names), [['flock'], ['flock'], ['taskset', 'qemu-rt-planner']])
  // The kernel takes 8 to 12 ms for it.
  t.notOk(planner?.opened.includes('/proc/locks'))
})

/** Not the runtime's own: libraries, what it asks the machine for before the first line of ours runs. */
function isOurs(path: string): boolean {
  const runtimes = [
    /^\/(lib|usr\/lib|etc)\//,
    /^\/dev\/(null|urandom)$/,
    /^\/proc\/(self|sys|meminfo|cpuinfo|stat|version)/,
    /^\/sys\/(fs|kernel|devices\/system)\//,
    /\/qemu-rt-planner$/,
    new RegExp(`^${EMULATOR}$`),
  ]
  return !runtimes.some((one) => one.test(path))
}
