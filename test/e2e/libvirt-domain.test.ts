import t from 'tap'
import { DAEMON } from './daemon.js'
import { domainName, domainXml } from './domain-xml.js'
import { NO_CPU_GROUPS, needsLibvirt, startLibvirtd } from './libvirtd.js'

const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"
[profile.rt]
vcpus = { cpus = "1", policy = "fifo", priority = 3 }
emulator = { cpus = "housekeeping" }
share = "always"
`
const REAL = '/usr/bin/qemu-system-x86_64'

t.test(
  "a domain's XML is planned with libvirt's own command line, and translated into libvirt's words",
  async (t) => {
    if (!needsLibvirt(t)) return
    const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
    const name = domainName()
    const xml = domainXml(name, { emulator: libvirt.emulator, args: ['--rt-profile', 'rt'] })
    const qemuRt = async (...args: string[]) =>
      libvirt.run('sh', '-c', 'printf "%s" "$1" | { shift; qemu-rt "$@"; }', 'sh', xml, ...args)

    const planned = await qemuRt('domain', 'plan', '-', '--format', 'args')
    t.match(planned, { status: 0, stderr: '' })
    t.match(planned.stdout, /^-sandbox on,/m, 'libvirt has made it')
    t.match(planned.stdout, /"qom-type":"memory-backend-memfd".*"share":true/)

    const native = await qemuRt('domain', 'native', '-')
    t.match(native, {
      status: 0,
      stderr: `qemu-rt: nothing remains for the wrapper: <emulator> is ${REAL}\n`,
    })
    t.equal(await libvirt.define(native.stdout), name)
    await libvirt.ok('start', name)
    t.match(await libvirt.ok('qemu-monitor-command', name, '--hmp', 'info memdev'), /share: true/)
    const threads = await libvirt.threads(name)
    t.ok(threads.includes('CPU 0/TCG: CPU 1, fifo 3'), `libvirt has set them itself: ${threads.join('; ')}`)
    t.ok(threads.includes('IO mon_iothread: CPU 0, other'))
    t.notMatch(await libvirt.log(name), /qemu-rt-system/)
  },
)

t.test('without libvirt the plan has the main options only, and says so', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG })
  const xml = domainXml('vm', { emulator: libvirt.emulator, args: ['--rt-profile', 'rt'] })
  const plan = (...env: string[]) =>
    libvirt.run('sh', '-c', 'printf "%s" "$1" | env "$2" qemu-rt domain plan -', 'sh', xml, ...env)
  await libvirt.run('sh', '-c', `kill $(cat ${DAEMON.pidFile})`)
  const said =
    /^qemu-rt: libvirt made no command line, so qemu-rt planned with its main options only, without -cpu, -accel and most devices: /
  const withoutDaemon = await plan('A=b')
  t.match(withoutDaemon, { status: 0, stderr: said, stdout: /"qom-type":"memory-backend-memfd"/ })
  t.match(withoutDaemon.stderr, /Failed to connect|Cannot recv data|End of file/)
  const direct = domainXml('vm', { emulator: REAL })
  t.match(
    (await libvirt.run('sh', '-c', 'printf "%s" "$1" | qemu-rt domain plan -', 'sh', direct)).stderr,
    `qemu-rt: <emulator> is ${REAL}: libvirt would start the domain without this plan; name the wrapper there, such as /usr/local/bin/`,
  )
  await libvirt.run('mount', '--bind', '/dev/null', '/usr/bin/virsh')
  t.match(await plan('A=b'), { status: 0, stderr: said })
})

t.test('a domain that runs is planned as if it did not', async (t) => {
  if (!needsLibvirt(t)) return
  const config = CONFIG.replace('cpus = "1"', 'cpus = "auto"')
  const libvirt = await startLibvirtd(t, { config, qemuConf: NO_CPU_GROUPS })
  const name = domainName()
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator, args: ['--rt-profile', 'rt'] }))
  await libvirt.ok('start', name)
  const plan = await libvirt.run(
    'sh',
    '-c',
    `virsh dumpxml --inactive ${name} | qemu-rt domain plan - --format json`,
  )
  t.match(plan, { status: 0, stderr: '' })
  t.strictSame(JSON.parse(plan.stdout).lease, { nics: [], cpus: '1' })
})
