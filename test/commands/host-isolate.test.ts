import { chmodSync, cpSync, existsSync, lstatSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { writeFiles } from '../host/made-host.js'
import { qemuRt } from '../launcher/run.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const CGROUP = '/sys/fs/cgroup'

/** A copy of a host with four CPUs, and a configuration beside it. */
function made(t: Test, hostSection = 'housekeeping = "0"\nrealtime = "2-3"\nswitch = "1"') {
  const directory = t.testdir({ host: {} })
  const host = join(directory, 'host')
  cpSync(`${root}fixtures/hosts/check-unprepared`, host, { recursive: true })
  writeFiles(host, {
    [`${CGROUP}/cgroup.controllers`]: 'cpuset cpu\n',
    [`${CGROUP}/cpuset.cpus.isolated`]: '\n',
  })
  chmodSync(host, 0o755)
  for (const entry of readdirSync(host, { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath}/${entry.name}`
    if (!entry.isSymbolicLink()) chmodSync(path, lstatSync(path).mode & 0o7755)
  }
  const config = join(directory, 'qemu-rt.toml')
  writeFileSync(config, `[host]\n${hostSection}\n`)
  const isolate = (...args: string[]) =>
    qemuRt(['host', 'isolate', '--sysroot', host, '--config', config, ...args])
  return { host, isolate }
}

t.test('a dry run says which CPUs go where, and does nothing', async (t) => {
  const { host, isolate } = made(t)
  const dry = isolate('--dry-run')
  t.match(dry, { status: 0, stderr: '' })
  t.match(dry.stdout, /^ {2}CPU 2-3, as a partition: \/sys\/fs\/cgroup\/qemu-rt;/m)
  t.match(dry.stdout, /^ {2}CPU 1, as a partition: \/sys\/fs\/cgroup\/qemu_rt_switch\.slice;/m)
  t.match(dry.stdout, /^To be kept on CPU 0:$/m)
  t.notOk(existsSync(`${host}${CGROUP}/qemu-rt`))
  t.match(isolate('--undo'), { status: 0, stdout: /^Nothing to put back/ })
})

t.test('a kernel without remote partitions is refused in one line, with what to boot with', async (t) => {
  const { host, isolate } = made(t)
  rmSync(`${host}${CGROUP}/cpuset.cpus.isolated`)
  t.match(isolate(), {
    status: 69,
    stdout: '',
    stderr:
      /^qemu-rt: host isolate needs Linux 6\.8 or newer: there is no \S*\/cpuset\.cpus\.isolated; boot with isolcpus=managed_irq,domain,1-3 instead\n$/,
  })
})

t.test('what else cannot be isolated is refused', async (t) => {
  const all = made(t, 'realtime = "1-3"\nswitch = "0"')
  t.match(all.isolate(), { status: 78, stderr: /the system needs one/ })
  const none = made(t, 'housekeeping = "0"')
  t.match(none.isolate(), { status: 78 })
  const old = made(t)
  writeFileSync(`${old.host}${CGROUP}/cgroup.controllers`, 'cpu io\n')
  t.match(old.isolate(), { status: 69, stderr: /no cgroup v2 with the cpuset controller/ })
})
