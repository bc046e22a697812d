import { chmodSync, mkdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import { UserError } from '../../src/errors/user-error.js'
import { reserve } from '../../src/launch/reserve.js'
import { readRequest } from '../../src/plan/request.js'
import { temporaryDirectory } from '../launcher/launcher.js'
import { planOf } from '../plan/make.js'

/** Root may make and use any directory. */
const AS_ROOT = { skip: process.getuid?.() !== 0 && 'not root' }
const NOBODY = 65534
const LIBVIRTS = ['-chardev', 'socket,id=charmonitor,fd=3', '-mon', 'chardev=charmonitor,id=monitor']

/** What a launch that needs a lease says as a user who may make no directory. */
async function refusal(t: Test, args: readonly string[], isThere: boolean): Promise<string> {
  const sysroot = temporaryDirectory(t)
  chmodSync(sysroot, 0o755)
  if (isThere) {
    mkdirSync(`${sysroot}/run/qemu-rt/leases`, { recursive: true })
    chmodSync(`${sysroot}/run/qemu-rt/leases`, 0o700)
  }
  const { line } = readRequest({ entry: 'qemu-rt-system-x86_64', args, env: {}, hostArch: 'x64' })
  const plan = { ...planOf([]), lease: { nics: [], cpus: [1] } }
  process.seteuid?.(NOBODY)
  try {
    await reserve(
      { sysroot, waitMs: 0, line },
      plan,
      () => plan,
      () => ({}),
      process.pid,
    )
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return `${error.message.replace(sysroot, '')} (exit ${error.exitCode})`
  } finally {
    process.seteuid?.(0)
  }
  throw new Error('it is not refused')
}

t.test('a directory for leases that cannot be used is told with what makes it', AS_ROOT, async (t) => {
  t.equal(
    await refusal(t, [], false),
    'there is no directory for leases, and this user may not make it: /run/qemu-rt/leases; ' +
      'run as root: systemd-tmpfiles --create qemu-rt.conf, or install.sh again (exit 77)',
  )
  t.equal(
    await refusal(t, [], true),
    `this user may not use the directory for leases (EACCES): /run/qemu-rt/leases/${NOBODY}; ` +
      'put this user into group kvm, and run as root: systemd-tmpfiles --create qemu-rt.conf, or install.sh again (exit 77)',
  )
})

t.test("to a domain of libvirt's the missing hook is told, which takes its place", AS_ROOT, async (t) => {
  for (const isThere of [false, true]) {
    t.equal(
      await refusal(t, LIBVIRTS, isThere),
      "libvirt's hook has not run for this domain, and QEMU's user may not take a lease without it: " +
        '/run/qemu-rt/leases; run install.sh again as root, and restart libvirtd (or virtqemud) (exit 77)',
    )
  }
})
