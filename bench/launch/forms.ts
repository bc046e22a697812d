import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { vfAddress } from '../../test/launcher/many-hosts.js'
import type { TimedCommand } from '../common/process-timer.js'
import {
  installLauncher,
  libvirtArguments,
  PATH,
  ROOT,
  WITH_NODE,
  withoutConfiguration,
} from '../common/project.js'
import { typicalHost } from './typical-host.js'

/** In QEMU's place: it ends at once, so that the time is the wrapper's. */
const EMULATOR = '/bin/true'

/** What libvirt asks QEMU's capabilities with (libvirt 9.0, src/qemu/qemu_process.c, qemuProcessQMPLaunch). */
const PROBE = [
  ...['-S', '-no-user-config', '-nodefaults', '-nographic', '-machine', 'none,accel=kvm:tcg'],
  ...['-qmp', 'unix:/var/lib/libvirt/qemu/qmp-X0FUPP/qmp.monitor,server=on,wait=off'],
  ...['-pidfile', '/var/lib/libvirt/qemu/qmp-X0FUPP/qmp.pid', '-daemonize'],
]

const PLANNER = join(ROOT, 'dist/qemu-rt-planner')

const CONFIG = `
[host]
housekeeping = "0"
realtime = "2-17"

[nic.fieldbus0]
address = "${vfAddress(0)}"

[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 1, realtime-mask = "^0" }
emulator = { cpus = "housekeeping" }
iothreads = { cpus = "housekeeping" }
share = "always"

[[domain]]
name = "plc-*"
profile = "rt"
nics = ["fieldbus0"]
`

type Wrapper = 'direct' | 'sh' | 'bash' | 'python' | 'python-plan' | 'no-plan' | 'executable' | 'node'

export interface Form extends TimedCommand {
  readonly wrapper: Wrapper
  /** What it is started with: a word that the planner does not know, a probe without a guest, a guest, or a guest with profile, NIC name and lease. */
  readonly what: 'floor' | 'probe' | 'guest' | 'planned'
}

/**
 * What is compared.
 * @param scratch a directory, which gets a made host and a configuration
 */
export function launchForms(scratch: string): readonly Form[] {
  const guest = libvirtArguments()
  const entry = installLauncher(scratch)
  const unconfigured = { QEMU_RT_EMULATOR: EMULATOR, ...withoutConfiguration(scratch) }
  const form = (what: Form['what'], wrapper: Wrapper, args: readonly string[], more = {}): Form => ({
    what,
    wrapper,
    command: [PROGRAMS[wrapper] ?? entry, ...args],
    env: { PATH, LC_ALL: 'C', HOME: '/', EMULATOR, ...more },
  })
  return [
    runtimeAlone(),
    form('probe', 'direct', PROBE),
    form('probe', 'sh', PROBE),
    form('probe', 'executable', PROBE, unconfigured),
    form('guest', 'direct', guest),
    form('guest', 'sh', guest),
    form('guest', 'bash', guest),
    form('guest', 'python', guest),
    form('guest', 'executable', guest, unconfigured),
    form('guest', 'node', guest, { ...unconfigured, ...WITH_NODE }),
    form('planned', 'python-plan', guest, withEverything(scratch)),
    form('planned', 'no-plan', guest, withoutPlan(scratch)),
    form('planned', 'executable', guest, withEverything(scratch)),
    form('planned', 'node', guest, { ...withEverything(scratch), ...WITH_NODE }),
  ]
}

/** The wrappers to compare with. */
const PROGRAMS: Readonly<Partial<Record<Wrapper, string>>> = {
  direct: EMULATOR,
  sh: join(ROOT, 'bench/baselines/pass-through.sh'),
  bash: join(ROOT, 'bench/baselines/walk.bash'),
  python: join(ROOT, 'bench/baselines/rewrite.py'),
  'python-plan': join(ROOT, 'bench/baselines/plan.py'),
  'no-plan': join(ROOT, 'bench/baselines/no-plan.sh'),
}

/** Start of the runtime, and the modules that every launch takes: it says that it does not know the word, and ends. */
function runtimeAlone(): Form {
  const command = [PLANNER, 'nothing']
  // As the launcher starts it.
  const env = { PATH, BUN_JSC_useJIT: '0' }
  return { what: 'floor', wrapper: 'executable', command, env, exitCode: 64 }
}

function withoutPlan(scratch: string): Record<string, string> {
  const leases = join(scratch, 'leases')
  mkdirSync(leases)
  return { PLANNER, LEASES: leases }
}

function withEverything(scratch: string): Record<string, string> {
  const sysroot = join(scratch, 'host')
  const config = join(scratch, 'qemu-rt.toml')
  if (!existsSync(sysroot)) typicalHost(sysroot)
  writeFileSync(config, CONFIG)
  return { QEMU_RT_EMULATOR: EMULATOR, QEMU_RT_CONFIG: config, QEMU_RT_SYSROOT: sysroot }
}
