import { chmodSync, mkdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import { runAsNobody, whyNotNobody } from '../as-nobody.js'
import { temporaryDirectory } from '../launcher/launcher.js'

/** Root may make and use any directory. */
const AS_NOBODY = { skip: whyNotNobody() }
const NOBODY = 65534
const LIBVIRTS = ['-chardev', 'socket,id=charmonitor,fd=3', '-mon', 'chardev=charmonitor,id=monitor']

/** What a launch that needs a lease says as a user who may make no directory. */
function refusal(t: Test, args: readonly string[], isThere: boolean): string {
  const sysroot = temporaryDirectory(t)
  chmodSync(sysroot, 0o755)
  if (isThere) {
    mkdirSync(`${sysroot}/run/qemu-rt/leases`, { recursive: true })
    chmodSync(`${sysroot}/run/qemu-rt/leases`, 0o700)
  }
  const program = `import { reserve } from './src/launch/reserve.ts'
    import { readRequest } from './src/plan/request.ts'
    import { planOf } from './test/plan/make.ts'
    const [sysroot, args] = [process.argv[2], JSON.parse(process.argv[3])]
    const { line } = readRequest({ entry: 'qemu-rt-system-x86_64', args, env: {}, hostArch: 'x64' })
    const plan = { ...planOf([]), lease: { nics: [], cpus: [1] } }
    try {
      await reserve({ sysroot, waitMs: 0, line }, plan, () => plan, () => ({}), process.pid)
      console.log(JSON.stringify('it is not refused'))
    } catch ({ exitCode, message }) {
      console.log(JSON.stringify(message.replace(sysroot, '') + ' (exit ' + exitCode + ')'))
    }`
  return String(runAsNobody(t, program, sysroot, JSON.stringify(args)))
}

t.test('a directory for leases that cannot be used is told with what makes it', AS_NOBODY, async (t) => {
  t.equal(
    refusal(t, [], false),
    'there is no directory for leases, and this user may not make it: /run/qemu-rt/leases; ' +
      'run as root: systemd-tmpfiles --create qemu-rt.conf, or install.sh again (exit 77)',
  )
  t.equal(
    refusal(t, [], true),
    `this user may not use the directory for leases (EACCES): /run/qemu-rt/leases/${NOBODY}; ` +
      'put this user into group kvm, and run as root: systemd-tmpfiles --create qemu-rt.conf, or install.sh again (exit 77)',
  )
})

t.test("to a domain of libvirt's the missing hook is told, which takes its place", AS_NOBODY, async (t) => {
  for (const isThere of [false, true]) {
    t.equal(
      refusal(t, LIBVIRTS, isThere),
      "libvirt's hook has not run for this domain, and QEMU's user may not take a lease without it: " +
        '/run/qemu-rt/leases; run install.sh again as root, and restart libvirtd (or virtqemud) (exit 77)',
    )
  }
})
