import t from 'tap'
import { domainName, domainXml } from './domain-xml.js'
import { needsLibvirt, startLibvirtd } from './libvirtd.js'
import { waitFor } from './wait.js'

const REAL = '/usr/bin/qemu-system-x86_64'

t.test('libvirt finds in the wrapper what it finds in QEMU', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t)
  for (const type of ['qemu', 'kvm']) {
    const capabilities = async (emulator: string) =>
      libvirt.virsh('domcapabilities', '--virttype', type, '--emulatorbin', emulator)
    const real = await capabilities(REAL)
    const wrapped = await capabilities(libvirt.emulator)
    t.equal(wrapped.status, real.status, type)
    t.equal(wrapped.stdout.replaceAll(libvirt.emulator, REAL), real.stdout, type)
  }
})

t.test('a domain lives with the wrapper as with QEMU', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t)
  const name = domainName()
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator }))
  const state = async () => (await libvirt.ok('domstate', name)).trim()
  const read = async (file: string) =>
    (await libvirt.run('sh', '-c', `cat /proc/$(cat /run/libvirt/qemu/${name}.pid)/${file}`)).stdout
  await libvirt.ok('start', name)
  t.equal(await state(), 'running')
  const uid = (await libvirt.run('id', '-u', 'libvirt-qemu')).stdout.trim()
  t.match(await read('status'), new RegExp(`^Uid:\\t${uid}\\t`, 'm'), "it is libvirt's unprivileged user's")
  t.match(await read('status'), /^CapEff:\t0+$/m)
  t.match(await read('cmdline'), new RegExp(`^${REAL}\0`), 'and it is QEMU')
  t.equal(
    (
      await libvirt.run('sh', '-c', 'grep -l -a -e "$1" /proc/[0-9]*/cmdline', 'sh', `[g]uest=${name}`)
    ).stdout.trim(),
    (await libvirt.run('sh', '-c', `echo /proc/$(cat /run/libvirt/qemu/${name}.pid)/cmdline`)).stdout.trim(),
    'with no process beside it',
  )
  t.match(await libvirt.ok('qemu-monitor-command', name, '{"execute":"query-status"}'), /"running":true/)
  t.match(await libvirt.ok('qemu-monitor-command', name, '--hmp', 'info version'), /^\d+\.\d+/)
  await libvirt.ok('managedsave', name)
  t.equal(await state(), 'shut off')
  await libvirt.ok('start', name)
  t.equal(await state(), 'running', 'restored')
  t.match(await libvirt.log(name), /-incoming/)
  await libvirt.ok('reset', name)
  await libvirt.ok('destroy', name)
  t.equal(await state(), 'shut off')
  t.match(await libvirt.log(name), /shutting down, reason=destroyed/)
  t.notMatch(await libvirt.log(name), /^qemu-rt/m, 'the wrapper has nothing to say')
})

t.test('twenty domains start at once', async (t) => {
  if (!needsLibvirt(t)) return
  const config = '[profile.rt]\nemulator = { cpus = "0" }\n[[domain]]\nname = "*"\nprofile = "rt"\n'
  const libvirt = await startLibvirtd(t, { config })
  const names = Array.from({ length: 20 }, domainName)
  for (const name of names) await libvirt.define(domainXml(name, { emulator: libvirt.emulator }))
  const starts = await Promise.all(names.map((name) => libvirt.virsh('start', name)))
  t.strictSame(
    starts.map(({ stderr }) => stderr),
    names.map(() => ''),
  )
  const running = (await libvirt.ok('list', '--name')).trim().split('\n')
  t.strictSame(running.sort(), [...names].sort())
  for (const name of names)
    t.match(await libvirt.log(name), /^qemu-rt: .*emulator on CPU 0; set by the hook$/m)
  await Promise.all(names.map((name) => libvirt.virsh('destroy', name)))
  const requests = async () => (await libvirt.run('ls', '/run/qemu-rt/vms')).stdout
  await waitFor('the hooks to tidy up', 30, async () => (await requests()) === '')
})

t.test('libvirt asks again when QEMU was upgraded behind the wrapper', async (t) => {
  if (!needsLibvirt(t)) return
  const libvirt = await startLibvirtd(t, { config: '[emulators]\nx86_64 = "/usr/local/bin/logged-qemu"\n' })
  // A QEMU that counts how often it is asked, and another of the same name.
  const upgrade = async (version: string) => {
    const script = `#!/bin/sh\necho ${version} >>/var/tmp/asked\nexec ${REAL} "$@"\n`
    const put =
      'printf "%s" "$1" >/usr/local/bin/new && chmod 755 /usr/local/bin/new && mv /usr/local/bin/new $2'
    await libvirt.run(
      'sh',
      '-c',
      `${put}; touch /var/tmp/asked; chmod 666 /var/tmp/asked`,
      'sh',
      script,
      '/usr/local/bin/logged-qemu',
    )
  }
  const ask = async () => {
    await libvirt.run('truncate', '--size=0', '/var/tmp/asked')
    t.match(await libvirt.virsh('domcapabilities', '--emulatorbin', libvirt.emulator), { status: 0 })
    return new Set((await libvirt.run('cat', '/var/tmp/asked')).stdout.trim().split('\n'))
  }
  await upgrade('first')
  t.strictSame(await ask(), new Set(['first']))
  t.strictSame(await ask(), new Set(['']), 'it remembers')
  await upgrade('second')
  t.strictSame(await ask(), new Set(['']), 'and does not notice by itself')
  t.match(await libvirt.run('qemu-rt', 'refresh'), { status: 0, stderr: /changed since .*logged-qemu/ })
  t.strictSame(await ask(), new Set(['second']))
  t.strictSame(await ask(), new Set(['']))
})
