import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type Ended, run, runSync } from '../launcher/run.js'
import { DAEMON } from './daemon.js'
import { stopChild } from './launch.js'
import { needs, unmet } from './needs.js'
import { waitFor } from './wait.js'

/** Namespaces of the test's own, in which the wrapper is installed. */
export interface Installed {
  /** Path of the installed entry, for `<emulator>`. */
  readonly emulator: string
  /** Runs a program in there. */
  readonly run: (...command: readonly string[]) => Promise<Ended>
  /** Starts one that goes on; it is stopped when the test ends. */
  readonly spawn: (...command: readonly string[]) => ChildProcessByStdio<null, Readable, Readable>
}

/** A libvirtd (or virtqemud) of the test's own, with the wrapper installed where it looks. */
export interface Libvirt extends Installed {
  readonly virsh: (...args: readonly string[]) => Promise<Ended>
  /** As `virsh`, and fails the test when it does not succeed. @returns its stdout */
  readonly ok: (...args: readonly string[]) => Promise<string>
  /** Stops libvirtd alone, while domains go on, and starts it again. */
  readonly restart: () => Promise<void>
  /** Defines a domain, by libvirt's schema. @returns its name */
  readonly define: (xml: string) => Promise<string>
  /** A domain's threads that have more to do than wait: `CPU 0/TCG: CPU 1, fifo 3`. */
  readonly threads: (name: string) => Promise<string[]>
  /** The domain's log, in which QEMU's and the wrapper's stderr are. */
  readonly log: (name: string) => Promise<string>
}

export interface LibvirtFiles {
  /** /etc/qemu-rt/qemu-rt.toml; the one that install.sh writes when it is not given. */
  readonly config?: string
  /** Lines of /etc/libvirt/qemu.conf. */
  readonly qemuConf?: string
  /** Without it the wrapper is on its own. */
  readonly hook?: boolean
  /** Directory before libvirtd's PATH. */
  readonly path?: string
  /** RLIMIT_RTPRIO of libvirtd, which QEMU has from it; what `LimitRTPRIO=` sets. */
  readonly realtimeLimit?: number
  /** umask of libvirtd, which its hook and QEMU have from it. */
  readonly umask?: string
}

const PROGRAMS = [DAEMON.program, 'virtlogd', 'virsh', 'unshare', 'nsenter', 'qemu-system-x86_64']

const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

/**
 * Without the cpu controller libvirt makes no group for a domain's threads: where the kernel has RT_GROUP_SCHED, such a
 * group has no real-time time.
 */
export const NO_CPU_GROUPS = 'cgroup_controllers = [ "devices", "memory", "blkio", "cpuset", "cpuacct" ]\n'

/** Name, CPUs, policy and priority of each thread (proc(5): fields 40 and 41 of stat). */
const THREADS = `
for task in /proc/$(cat "/run/libvirt/qemu/$1.pid")/task/*; do
  cpus=$(sed -n 's/^Cpus_allowed_list:\t//p' "$task/status")
  set -- $(sed 's/.*) //' "$task/stat")
  case \${39} in 1) policy="fifo \${38}" ;; 2) policy="rr \${38}" ;; *) policy=other ;; esac
  echo "$(cat "$task/comm"): CPU $cpus, $policy"
done`

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const EMULATOR = '/usr/local/bin/qemu-rt-system-x86_64'

/**
 * Whether `startLibvirtd` can do its work: programs, and the right to mount in namespaces of its own, which root has and
 * root of a container often has not. As `needs` otherwise.
 * @param programs what the test needs besides
 */
export function needsLibvirt(t: Test, programs: readonly string[] = []): boolean {
  if (!needs(t, [...PROGRAMS, ...programs])) return false
  const mount = ['mount', '-t', 'tmpfs', 'tmpfs', '/run']
  const { status, stderr } = runSync(['unshare', ...NAMESPACES, ...mount])
  return status === 0 || unmet(t, `no namespaces for libvirtd, which root may make: ${stderr.trim()}`)
}

/**
 * Makes namespaces in which the wrapper is installed by install.sh, as an operator would: what is in there neither sees
 * nor changes this machine's, and when the test ends one process is stopped and everything with it.
 */
export async function install(
  t: Test,
  files: Pick<LibvirtFiles, 'config' | 'qemuConf'> = {},
): Promise<Installed> {
  const scratch = mkdtempSync(join(tmpdir(), 'qemu-rt-libvirt-'))
  mkdirSync(join(scratch, 'etc/libvirt'), { recursive: true })
  mkdirSync(join(scratch, 'etc/qemu-rt'))
  writeFileSync(join(scratch, 'etc/libvirt/qemu.conf'), files.qemuConf ?? '')
  if (files.config !== undefined) writeFileSync(join(scratch, 'etc/qemu-rt/qemu-rt.toml'), files.config)
  const beside = (path: string) => fileURLToPath(new URL(path, import.meta.url))
  const init = [beside('libvirtd-namespace.sh'), scratch, beside('../../install.sh')]
  const child = spawn('unshare', [...NAMESPACES, ...init], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  t.teardown(async () => {
    // unshare does not mind SIGTERM; its end is the end of everything in there (--kill-child).
    child.kill('SIGKILL')
    await stopChild(child)
    rmSync(scratch, { recursive: true, force: true })
  })
  await waitFor("libvirtd's namespaces", 120, () => {
    if (child.exitCode !== null) throw new Error(`they ended (${child.exitCode}): ${output}`)
    return output.includes('ready\n')
  })
  const pid = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'latin1').trim()
  const enter = ['--target', pid, '--mount', '--pid', '--']
  return {
    emulator: EMULATOR,
    run: (...command) => run(['nsenter', ...enter, ...command], { env: environment() }),
    spawn: (...command) => {
      const started = spawn('nsenter', [...enter, ...command], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: environment(),
      })
      t.teardown(() => started.kill('SIGKILL'))
      return started
    },
  }
}

/** Starts a libvirtd, and with it virtlogd, where the wrapper is installed, see `install`. */
export async function startLibvirtd(t: Test, files: LibvirtFiles = {}): Promise<Libvirt> {
  const installed = await install(t, files)
  const { run } = installed
  const virsh = (...args: readonly string[]) => run('virsh', '--connect', 'qemu:///system', ...args)
  const ok = async (...args: readonly string[]) => {
    const { status, stdout, stderr } = await virsh(...args)
    if (status !== 0) t.fail(`virsh ${args.join(' ')}: ${stderr}`)
    return stdout
  }
  if (files.hook === false) await run('rm', '-r', '/etc/libvirt/hooks/qemu.d')
  const limit = files.realtimeLimit === undefined ? [] : ['prlimit', `--rtprio=${files.realtimeLimit}`]
  const start = async () => {
    const path = files.path === undefined ? [] : ['env', `PATH=${files.path}:${SYSTEM_PATH}`]
    const mask = files.umask === undefined ? [] : ['sh', '-c', 'umask "$0"; exec "$@"', files.umask]
    await run(...limit, ...path, ...mask, DAEMON.program, '-d')
    await waitFor('libvirtd', 120, async () => (await virsh('version')).status === 0)
  }
  await run('virtlogd', '-d')
  await start()
  let defined = 0
  return {
    ...installed,
    virsh,
    ok,
    restart: async () => {
      const { stdout } = await run('cat', DAEMON.pidFile)
      await run('kill', stdout.trim())
      // It gives its threads 30 seconds to finish (src/rpc/virnetdaemon.c, virNetDaemonRun), and takes them now and then.
      await waitFor("libvirtd's end", 60, async () => (await run('kill', '-0', stdout.trim())).status !== 0)
      await start()
    },
    define: async (xml) => {
      const file = join('/var/tmp', `domain-${defined++}.xml`)
      await run('sh', '-c', 'printf "%s" "$1" >"$2"', 'sh', xml, file)
      const stdout = await ok('define', '--validate', file)
      return /'(.*)'/.exec(stdout)?.[1] ?? ''
    },
    threads: async (name) => {
      const { stdout } = await run('sh', '-c', THREADS, 'sh', name)
      return stdout.trim().split('\n')
    },
    log: async (name) => (await run('cat', `/var/log/libvirt/qemu/${name}.log`)).stdout,
  }
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: SYSTEM_PATH, LC_ALL: 'C' }
}
