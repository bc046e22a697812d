import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needs, unmet } from '../e2e/needs.js'
import { launcher, PATH, plannerForms, temporaryDirectory } from '../launcher/launcher.js'
import { programNames, type TracedProcess, traceProcess } from './trace.js'

/*
 * What libvirt's hook costs a domain's start, in counts that are the same on every machine. Who makes a hook do more changes a
 * number here, and can say why.
 */

const SCRIPT = readFileSync(fileURLToPath(new URL('../../system/hook', import.meta.url)), 'utf8')

const CONFIG = `
[profile.rt]
vcpus = { cpus = "0" }
[[domain]]
name = "plc-1"
profile = "rt"
`

const XML = `<domain type='kvm'>
  <name>plc-1</name>
  <uuid>6b0c3c52-4a4e-4b7a-9d6c-0123456789ab</uuid>
  <vcpu>1</vcpu>
  <devices>
    <emulator>${launcher('qemu-rt-system-x86_64')}</emulator>
  </devices>
</domain>
`

/**
 * Calls the script as libvirt does, with a /run and an /etc of its own.
 * @param before calls of the hook that are not counted
 */
function callHook(t: Test, operation: string, before = ''): TracedProcess {
  const scratch = temporaryDirectory(t)
  const file = (name: string, text: string) => writeFileSync(join(scratch, name), text, { mode: 0o755 })
  mkdirSync(join(scratch, 'strace'))
  file('hook', SCRIPT.replaceAll('@bin@', dirname(launcher())))
  file('qemu-rt.toml', CONFIG)
  file('xml', XML)
  const init = `set -e
    cd ${scratch}
    mkdir over
    mount -t tmpfs tmpfs over
    mkdir over/upper over/work
    mount -t overlay -o lowerdir=/etc,upperdir=over/upper,workdir=over/work overlay /etc
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /etc/qemu-rt
    cp qemu-rt.toml /etc/qemu-rt
    ${before}
    exec "$@" <xml`
  const within = ['unshare', '--mount', 'sh', '-c', init, 'sh']
  const call = [join(scratch, 'hook'), 'plc-1', ...operation.split(' '), '-']
  return traceProcess(join(scratch, 'strace'), call, { PATH }, within)
}

/** A process's programs, and those of the processes that it started. */
interface Tree {
  readonly was: readonly string[]
  readonly started: readonly Tree[]
}

function treeOf(traced: TracedProcess): Tree {
  return { was: programNames(traced), started: traced.children.map(treeOf) }
}

const alone = (...was: readonly string[]): Tree => ({ was, started: [] })

/** The checkout's launcher asks where it is; an installed one knows. */
const READLINK = alone('readlink')

function isTraceable(t: Test): boolean {
  if (!needs(t, ['strace', 'unshare'])) return false
  if (process.getuid?.() !== 0) return unmet(t, 'it mounts in a namespace of its own: run it as root')
  if (plannerForms().length < 2) return unmet(t, 'there is no executable of the planner')
  return true
}

/** What the shell does by itself beside another program. */
const SHELL = alone()

t.test('prepare: one program reads the XML, and the planner takes two locks', async (t) => {
  if (!isTraceable(t)) return
  const started = [READLINK, alone('flock'), alone('flock')]
  t.strictSame(treeOf(callHook(t, 'prepare begin')), {
    was: ['hook'],
    started: [
      { was: [], started: [alone('head')] },
      SHELL,
      { was: ['timeout'], started: [{ was: ['qemu-rt', 'qemu-rt-planner'], started }] },
    ],
  })
})

t.test(
  'started: one program reads the XML, and a domain that is not ours is spared the planner',
  async (t) => {
    if (!isTraceable(t)) return
    const head = alone('head')
    t.strictSame(treeOf(callHook(t, 'started begin')), { was: ['hook'], started: [head] })
    const before = './hook plc-1 prepare begin - <xml'
    // libvirt knows of no such process, which is said in the log.
    const started = [READLINK, alone('logger')]
    t.strictSame(treeOf(callHook(t, 'started begin', before)), {
      was: ['hook'],
      started: [
        head,
        SHELL,
        { was: ['timeout'], started: [{ was: ['qemu-rt', 'qemu-rt-planner'], started }] },
      ],
    })
  },
)

t.test('start, between the two, and other operations that nothing is done about start nothing', async (t) => {
  if (!isTraceable(t)) return
  for (const operation of ['start begin', 'prepare end', 'stopped end']) {
    t.strictSame(treeOf(callHook(t, operation)), alone('hook'), operation)
  }
})
