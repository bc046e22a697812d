import t from 'tap'
import { type DomainParts, domainName, domainXml } from './domain-xml.js'
import { type Libvirt, NO_CPU_GROUPS, needsLibvirt, startLibvirtd } from './libvirtd.js'

const CONFIG = `
[nic.fieldbus0]
mac = "a0:36:9f:12:34:56"
[profile.rt]
lock-memory = false
`

/** Starts a domain that cannot be started. @returns what virsh tells the person who wanted it */
async function refusal(libvirt: Libvirt, parts: Partial<DomainParts>): Promise<string> {
  const name = domainName()
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator, ...parts }))
  const { status, stderr } = await libvirt.virsh('start', name)
  if (status === 0) throw new Error(`${name} was started`)
  return stderr
}

const UNKNOWN = /qemu-rt: NIC 'feldbus0' is not in the configuration.*did you mean 'fieldbus0'\?/

t.test('virsh shows why a domain is not started', async (t) => {
  if (!needsLibvirt(t)) return
  for (const hook of [true, false]) {
    await t.test(hook ? 'by the hook' : 'by the wrapper alone', async (t) => {
      const libvirt = await startLibvirtd(t, { config: CONFIG, hook })
      const said = (parts: Partial<DomainParts>) => refusal(libvirt, parts)
      t.match(await said({ args: ['--rt-nic', 'feldbus0'] }), UNKNOWN)
      t.match(await said({ env: { QEMU_RT_NIC: 'feldbus0' } }), UNKNOWN)
      t.match(await said({ args: ['-device', 'vfio-pci,host=nic:feldbus0'] }), UNKNOWN)
      t.match(await said({ args: ['--rt-profile', 'tr'] }), /qemu-rt: .*profile 'tr'.*did you mean 'rt'/)
      t.match(await libvirt.virsh('list', '--name'), { stdout: '\n' })
    })
  }
})

t.test("a domain's own request is refused with its reason", async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG })
  const request = (inside: string) =>
    refusal(libvirt, { metadata: `<r:request xmlns:r="urn:qemu-rt:request">${inside}</r:request>` })
  t.match(await request('<r:nic name="feldbus0"/>'), UNKNOWN)
  t.match(
    await request('<r:nic/>'),
    /qemu-rt: the <request> in <metadata> is not understood: <nic> has no name/,
  )
  t.match(
    await request('<r:nic name="fieldbus0"/>'),
    /qemu-rt: NIC 'fieldbus0' \(mac .*\) matches no device of this host/,
  )
  t.equal((await libvirt.run('ls', '/run/qemu-rt/vms')).stdout, '')
})

t.test('with a broken configuration domains are refused by file and line, and probing goes on', async (t) => {
  if (!needsLibvirt(t)) return
  for (const hook of [true, false]) {
    await t.test(hook ? 'by the hook' : 'by the wrapper alone', async (t) => {
      const libvirt = await startLibvirtd(t, {
        config: `${CONFIG}\n[nic.x]\nmc = "a0:36:9f:12:34:57"\n`,
        hook,
      })
      t.match(
        await refusal(libvirt, {}),
        /qemu-rt: unknown key 'mc'.*\/etc\/qemu-rt\/qemu-rt\.toml:8.*did you mean 'mac'/,
      )
      t.match(await libvirt.virsh('domcapabilities', '--emulatorbin', libvirt.emulator), { status: 0 })
      const name = domainName()
      await libvirt.define(domainXml(name, { emulator: '/usr/bin/qemu-system-x86_64' }))
      t.match(await libvirt.virsh('start', name), { status: 0 }, 'a domain without the wrapper starts')
    })
  }
})

t.test('without the hook a domain that may take no lease is told of the hook', async (t) => {
  if (!needsLibvirt(t)) return
  const config = `
[host]
housekeeping = "0"
realtime = "1"
[profile.rt]
vcpus = { cpus = "auto" }
`
  const libvirt = await startLibvirtd(t, { config, hook: false })
  // As a confined domain finds it.
  await libvirt.run('chmod', '700', '/run/qemu-rt/leases')
  t.match(
    await refusal(libvirt, { args: ['--rt-profile', 'rt'] }),
    /qemu-rt: libvirt's hook has not run for this domain, .*: \/run\/qemu-rt\/leases; run install\.sh again as root, /,
  )
})

t.test(
  'where QEMU ends a start its own words come first, and what the host lacks is said of a VM that runs',
  async (t) => {
    if (!needsLibvirt(t)) return
    const config = `
[host]
housekeeping = "0"
[profile.rt]
vcpus = { cpus = "1", policy = "fifo" }
emulator = { cpus = "housekeeping" }
`
    const libvirt = await startLibvirtd(t, { config, qemuConf: NO_CPU_GROUPS })
    const args = ['--rt-profile', 'rt']
    const stderr = await refusal(libvirt, { args: [...args, '-device', 'nonesuch'] })
    t.match(stderr, /monitor[^\n]*: [^\n]*'nonesuch' is not a valid device model name/)
    t.notMatch(stderr, /qemu-rt: warning/)
    const name = domainName()
    await libvirt.define(domainXml(name, { emulator: libvirt.emulator, args }))
    await libvirt.ok('start', name)
    const lines = (await libvirt.log(name)).match(
      /^qemu-rt: warning: .*CPU 1 of real-time vCPUs is not isolated.*/gm,
    )
    t.match(lines, [new RegExp(`^qemu-rt: warning: guest '${name}': `)])
    t.equal(lines?.length, 1)
  },
)
