import t from 'tap'
import { EMPTY_POLICY } from '../../src/config/load.js'
import {
  checkIdentity,
  checkOwnEmulator,
  checkOwnSettings,
  isMadeByLibvirt,
} from '../../src/plan/own-settings.js'
import { readRequest } from '../../src/plan/request.js'

const UUID = 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'
const LIBVIRTS = ['-name', 'guest=plc,,1,debug-threads=on', '-uuid', UUID]

function requestOf(args: readonly string[], env: Record<string, string> = {}) {
  return readRequest({ entry: 'qemu-rt-system-x86_64', args: [...LIBVIRTS, ...args], env, hostArch: 'x64' })
}

t.test('a domain keeps the name and the UUID that libvirt gives', (t) => {
  for (const args of [
    [],
    ['-uuid', UUID.toUpperCase()],
    ['-name', 'plc,,1,debug-threads=on'],
    ['-name', 'process=x'],
  ]) {
    t.doesNotThrow(() => checkIdentity(requestOf(args)), args.join(' '))
  }
  const other = UUID.replace('c1', 'd1')
  for (const args of [
    ['-uuid', other],
    ['--uuid', other, '-uuid', UUID],
    ['-name', 'other'],
    ['-name', 'guest=other', '-name', 'plc,,1'],
  ]) {
    t.throws(
      () => checkIdentity(requestOf(args)),
      { message: /^-(name|uuid) says that this is another domain: /, exitCode: 77 },
      args.join(' '),
    )
  }
  t.end()
})

/** libvirt's monitor, by the first libvirt that writes it so; 12.8 was seen with QEMU 11.1. */
const MONITORS: Readonly<Record<string, readonly string[]>> = {
  '9.0': ['-mon', 'chardev=charmonitor,id=monitor,mode=control'],
  '12.8': ['-object', '{"qom-type":"monitor-qmp","id":"monitor","chardev":"charmonitor"}'],
}

t.test('a command line of libvirt is known by the socket of its monitor, whatever uses that', async (t) => {
  for (const [version, monitor] of Object.entries(MONITORS)) {
    for (const socket of ['fd=28,server=on', 'path=/var/lib/libvirt/qemu/domain--1-plc/monitor.sock']) {
      const made = ['-chardev', `socket,id=charmonitor,${socket},wait=off`, ...monitor]
      t.ok(isMadeByLibvirt(requestOf(made)), `libvirt ${version}, ${socket}`)
      t.ok(isMadeByLibvirt(requestOf([...made, '-chardev', 'null,id=other'])), 'and <qemu:arg> adds another')
    }
  }
  for (const args of [[], ['-chardev', 'socket,id=monitor,path=/tmp/charmonitor'], ['-qmp', 'stdio']]) {
    t.notOk(isMadeByLibvirt(requestOf(args)), args.join(' '))
  }
})

t.test('a domain names a configuration below the directory of the default one, and no sysroot', (t) => {
  const good = ['/etc/qemu-rt/qemu-rt.toml', '/etc/qemu-rt/cells/a.toml']
  const bad = ['/dev/watchdog', '/etc/qemu-rt/../shadow', '/etc/qemu-rtx/a', 'a.toml', '/etc/qemu-rt']
  for (const path of good) {
    t.doesNotThrow(() => checkOwnSettings(requestOf([], { QEMU_RT_CONFIG: path })), path)
    t.doesNotThrow(() => checkOwnSettings(requestOf(['--rt-config', path])), path)
  }
  for (const path of bad) {
    const error = { message: /^a configuration elsewhere /, exitCode: 77 }
    t.throws(() => checkOwnSettings(requestOf([], { QEMU_RT_CONFIG: path })), error, path)
    t.throws(() => checkOwnSettings(requestOf([`--rt-config=${path}`])), error, path)
  }
  const error = { message: /^a sysroot /, exitCode: 77 }
  t.throws(() => checkOwnSettings(requestOf([], { QEMU_RT_SYSROOT: '/tmp' })), error)
  t.throws(() => checkOwnSettings(requestOf(['--rt-sysroot', '/tmp'])), error)
  t.end()
})

t.test("a domain's emulator is one that root names, or root's QEMU", (t) => {
  const policy = { ...EMPTY_POLICY, emulators: { x86_64: '/opt/q/my-qemu' } }
  const check = (path: string | null, isRoots: boolean) => checkOwnEmulator(path, policy, () => isRoots)
  for (const path of [null, '/opt/q/my-qemu']) t.doesNotThrow(() => check(path, false))
  for (const path of ['/usr/bin/qemu-system-x86_64', '/usr/libexec/qemu-kvm', '/etc/qemu-rt/qemu']) {
    t.doesNotThrow(() => check(path, true), path)
    t.throws(() => check(path, false), { message: /^another emulator /, exitCode: 77 }, path)
  }
  for (const path of ['/bin/sh', '/usr/bin/qemu-img', '/etc/qemu-rt/../../bin/sh']) {
    t.throws(() => check(path, true), { message: /^another emulator /, exitCode: 77 }, path)
  }
  t.end()
})
