import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa, execaSync } from 'execa'
import { PATH, ROOT } from '../common/project.js'

const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

const ENV = { PATH, LC_ALL: 'C' }

const WITH_ENV = { env: ENV, extendEnv: false } as const

/** A libvirtd of the bench's own. */
export interface Libvirt {
  /** Runs a program where libvirtd is. @throws {Error} with what it said, when it fails */
  readonly run: (...command: readonly string[]) => Promise<void>
  /** Runs virsh. @throws {Error} with what it said, when it fails */
  readonly virsh: (...args: readonly string[]) => Promise<void>
  readonly stop: () => Promise<void>
}

export interface LibvirtFiles {
  readonly qemuConf: string
  /** The wrapper's configuration. */
  readonly config: string
}

/** Whether namespaces can be made and mounted in, which root of a container often may not do. */
export function canMakeNamespaces(): boolean {
  const mount = ['mount', '-t', 'tmpfs', 'tmpfs', '/run']
  return !execaSync('unshare', [...NAMESPACES, ...mount], { ...WITH_ENV, stdio: 'ignore', reject: false })
    .failed
}

/**
 * Starts a libvirtd in namespaces of its own, which neither sees nor changes this machine's, with the wrapper and its hook
 * installed as an operator would.
 * @param scratch a directory of which everything is lost to sight in there
 */
export async function startLibvirt(scratch: string, { qemuConf, config }: LibvirtFiles): Promise<Libvirt> {
  mkdirSync(join(scratch, 'etc/libvirt'), { recursive: true })
  mkdirSync(join(scratch, 'etc/qemu-rt'))
  writeFileSync(join(scratch, 'etc/libvirt/qemu.conf'), qemuConf)
  writeFileSync(join(scratch, 'etc/qemu-rt/qemu-rt.toml'), config)
  const init = [join(ROOT, 'test/e2e/libvirtd-namespace.sh'), scratch, join(ROOT, 'install.sh')]
  // It ends with this program, however that ends, and with it all that runs in there.
  const host = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...NAMESPACES, ...init], {
    env: ENV,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(host, 'exit')
  const stop = async () => {
    host.kill('SIGKILL')
    await ended
  }
  try {
    await Promise.race([once(host.stdout, 'data'), ended.then(() => Promise.reject(notMade()))])
    const children = readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, 'latin1').trim()
    const run = async (...command: readonly string[]) => {
      await execa('nsenter', ['--target', children, '--mount', '--pid', '--', ...command], WITH_ENV)
    }
    const virsh = (...args: readonly string[]) => run('virsh', '--connect', 'qemu:///system', ...args)
    await run('virtlogd', '-d')
    await run('libvirtd', '-d')
    await answers(() => virsh('version'))
    return { run, virsh, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function notMade(): Error {
  return new Error('the namespaces for libvirtd ended before it was started')
}

const ANSWER_MS = 30_000

async function answers(ask: () => Promise<void>): Promise<void> {
  for (const end = performance.now() + ANSWER_MS; ; await sleep(100)) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > end) throw error
    }
  }
}
