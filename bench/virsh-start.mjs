// How long `virsh start` takes with QEMU itself in <emulator>, with the wrapper alone that has nothing to do, with its hook
// besides, and with a profile besides: interleaved in one libvirtd, which runs in namespaces of its own. As root, with
// libvirt and a built checkout: node bench/virsh-start.mjs [STARTS] [--json FILE]
import { execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } })
const STARTS = Number(positionals[0] ?? 10)
const WRAPPER = '/usr/local/bin/qemu-rt-system-x86_64'

/** What is compared: name of the domain, its emulator, and whether libvirt finds the hook. */
const FORMS = {
  direct: { emulator: '/usr/bin/qemu-system-x86_64', hook: false },
  wrapper: { emulator: WRAPPER, hook: false },
  hook: { emulator: WRAPPER, hook: true },
  profile: { emulator: WRAPPER, hook: true },
}
const HOOK = '/etc/libvirt/hooks/qemu.d/qemu-rt'
const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"
[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 1 }
[[domain]]
name = "bench-profile"
profile = "rt"
`
const QEMU_CONF = 'cgroup_controllers = [ "devices", "memory", "blkio", "cpuset", "cpuacct" ]\n'
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const scratch = mkdtempSync(join(tmpdir(), 'qemu-rt-bench-'))
mkdirSync(join(scratch, 'etc/libvirt'), { recursive: true })
mkdirSync(join(scratch, 'etc/qemu-rt'))
writeFileSync(join(scratch, 'etc/libvirt/qemu.conf'), QEMU_CONF)
writeFileSync(join(scratch, 'etc/qemu-rt/qemu-rt.toml'), CONFIG)
const beside = (path) => fileURLToPath(new URL(path, import.meta.url))
const host = spawn(
  'unshare',
  [
    ...['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
    ...[beside('../test/e2e/libvirtd-namespace.sh'), scratch, beside('../install.sh')],
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
)
try {
  await new Promise((resolve, reject) => {
    host.stdout.once('data', resolve)
    host.once('exit', () => reject(new Error('no namespaces could be made; run as root')))
  })
  await startLibvirtd()
  const times = Object.fromEntries(Object.keys(FORMS).map((form) => [form, []]))
  for (const [form, { emulator }] of Object.entries(FORMS)) await define(form, emulator)
  // The first start of each finds nothing in any cache.
  for (let start = 0; start <= STARTS; start++) {
    for (const form of Object.keys(FORMS)) {
      const took = await measure(form)
      if (start > 0) times[form].push(took)
    }
  }
  report(times)
} finally {
  host.kill('SIGKILL')
  rmSync(scratch, { recursive: true, force: true })
}

async function startLibvirtd() {
  await inside('virtlogd', '-d')
  await inside('libvirtd', '-d')
  for (let attempt = 0; attempt < 100; attempt++, await sleep(100)) {
    if (await virsh('version').then(Boolean, () => false)) return
  }
  throw new Error('libvirtd does not answer')
}

async function define(form, emulator) {
  const xml = `<domain type='qemu'><name>bench-${form}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type></os>
    <devices><emulator>${emulator}</emulator><controller type='usb' model='none'/><memballoon model='none'/></devices>
    </domain>`
  await inside('sh', '-c', `printf '%s' "$1" >/var/tmp/bench.xml`, 'sh', xml)
  await virsh('define', '/var/tmp/bench.xml')
}

/** One start, in milliseconds. */
async function measure(form) {
  // libvirt runs what is executable in there at the time.
  await inside('chmod', FORMS[form].hook ? '755' : '644', HOOK)
  const began = performance.now()
  await virsh('start', `bench-${form}`)
  const took = performance.now() - began
  await virsh('destroy', `bench-${form}`)
  return took
}

function virsh(...args) {
  return inside('virsh', '--connect', 'qemu:///system', ...args)
}

async function inside(...command) {
  const pid = readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, 'latin1').trim()
  const args = ['--target', pid, '--mount', '--pid', '--', ...command]
  const { stdout } = await promisify(execFile)('nsenter', args, { env: { PATH, LC_ALL: 'C' } })
  return stdout
}

function report(times) {
  const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]
  const rows = Object.entries(times).map(([form, list]) => ({
    form,
    medianMs: median(list),
    worstMs: Math.max(...list),
    ratio: median(list) / median(times.direct),
  }))
  console.log(`${STARTS} starts each, interleaved, ${cpus().length} CPUs, ${cpus()[0]?.model}`)
  console.log('virsh start    median ms   worst ms   to direct')
  for (const { form, medianMs, worstMs, ratio } of rows) {
    const cells = [
      medianMs.toFixed(0).padStart(9),
      worstMs.toFixed(0).padStart(10),
      ratio.toFixed(2).padStart(11),
    ]
    console.log(`${form.padEnd(14)} ${cells.join(' ')}`)
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ starts: STARTS, rows, times }, null, 2)}\n`)
}
