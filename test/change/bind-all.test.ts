import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { type Binder, bindAll, driverctlBinder, sysfsBinder } from '../../src/change/bind-all.js'
import type { MayTake } from '../../src/change/obstacle.js'
import { readHostFacts } from '../../src/host/read.js'
import type { Root } from '../../src/host/sysroot.js'
import { driversOf, FOUR, hostWithKernel } from './stand-in-kernel.js'

const IGB = ['igb', 'igb', 'igb', 'igb']
const NOT_TAKEN =
  'vfio-pci does not take 0000:03:00.2; see dmesg; is the module there (modprobe vfio-pci), and the IOMMU on?'

/** Of four NICs vfio-pci does not take the third. */
const THIRD_REFUSED = FOUR.map((nic, index) => (index === 2 ? { ...nic, refusedBy: 'vfio-pci' } : nic))

function host(t: Test, nics = FOUR, refuse?: Parameters<typeof hostWithKernel>[2]) {
  const root = t.testdir({}) as Root
  const kernel = hostWithKernel(root, nics, refuse)
  const warnings: string[] = []
  return {
    root,
    ...kernel,
    warnings,
    bind: (binder: Binder = sysfsBinder(root, kernel.write), mayTake: MayTake = () => null) =>
      bindAll(root, readHostFacts(root).pci, binder, mayTake, (line) => warnings.push(line)),
    drivers: () => driversOf(root, nics),
  }
}

t.test('all devices go to vfio-pci', async (t) => {
  const { bind, drivers } = host(t)
  await bind()
  t.strictSame(drivers(), ['vfio-pci', 'vfio-pci', 'vfio-pci', 'vfio-pci'])
})

t.test('when vfio-pci does not take one, all are as before', async (t) => {
  const { bind, drivers, overrides, warnings } = host(t, THIRD_REFUSED)
  await t.rejects(bind(), { message: NOT_TAKEN, exitCode: 69 })
  t.strictSame(drivers(), IGB)
  t.strictSame(overrides(), {})
  t.strictSame(warnings, [])
})

t.test('one that had no driver has none again', async (t) => {
  const nics = THIRD_REFUSED.map((nic) => ({ ...nic, driver: null }))
  const { bind, drivers, overrides } = host(t, nics)
  await t.rejects(bind(), { message: NOT_TAKEN, exitCode: 69 })
  t.strictSame(drivers(), [null, null, null, null])
  t.strictSame(overrides(), {})
})

t.test('without vfio-pci no device is touched', async (t) => {
  const { root, bind, writes } = host(t)
  rmSync(`${root}/sys/bus/pci/drivers/vfio-pci`, { recursive: true })
  await t.rejects(bind(), { message: /^vfio-pci does not take 0000:03:00\.0; see dmesg/, exitCode: 69 })
  t.notMatch(writes.join('\n'), /unbind|drivers_probe/, 'the interface keeps its addresses')
})

t.test('one whose driver does not let it go is not taken from it by the undoing', async (t) => {
  let attempts = 0
  const { bind, drivers, overrides } = host(t, FOUR, (path) =>
    path.endsWith('03:00.0/driver/unbind') && attempts++ === 0 ? 'EBUSY' : null,
  )
  await t.rejects(bind(), { message: '0000:03:00.0 cannot be given to vfio-pci: EBUSY; see dmesg' })
  t.strictSame(drivers(), IGB)
  t.strictSame(overrides(), {})
  t.equal(attempts, 1)
})

t.test('one that cannot be given back is told, and keeps none of the others', async (t) => {
  let isBroken = false
  const { bind, drivers, warnings } = host(t, FOUR, (path, text) => {
    if (path.includes('03:00.3/driver_override') && text === 'vfio-pci') isBroken = true
    return isBroken && /03:00\.[13]/.test(path) ? 'EIO' : null
  })
  await t.rejects(bind(), {
    message: '0000:03:00.3 cannot be given to vfio-pci: EIO; see dmesg',
    exitCode: 69,
  })
  t.strictSame(drivers(), ['igb', 'vfio-pci', 'igb', 'igb'])
  t.strictSame(warnings, ['0000:03:00.1 cannot be given to igb: EIO; see dmesg'])
})

t.test("without root's rights that alone is said", async (t) => {
  const { bind, warnings } = host(t, FOUR, () => 'EACCES')
  await t.rejects(bind(), {
    message: '0000:03:00.0 cannot be given to vfio-pci: EACCES; run it as root',
    exitCode: 77,
  })
  t.strictSame(warnings, [])
})

/** A driverctl that does to a made host what the real one does: where it fails it leaves a device without a driver. */
function installDriverctl(t: Test, root: Root, refused: string): () => string {
  writeFileSync(
    `${root}/driverctl`,
    `#!/bin/sh
      echo "$*" >>'${root}/calls'
      rm -f "${root}/sys/bus/pci/devices/$2/driver"
      case $1 in
        unset-override) exit 0 ;;
      esac
      if [ "$2" = '${refused}' ]; then
        echo "driverctl: failed to bind device $2 to driver $3" >&2
        exit 1
      fi
      ln -s "../../drivers/$3" "${root}/sys/bus/pci/devices/$2/driver"
    `,
  )
  chmodSync(`${root}/driverctl`, 0o755)
  const { PATH } = process.env
  process.env.PATH = `${root}:${PATH}`
  t.teardown(() => {
    process.env.PATH = PATH
  })
  return () => readFileSync(`${root}/calls`, 'utf8')
}

t.test('what driverctl did and where it failed is undone', async (t) => {
  const { root, bind, write, drivers, overrides, warnings } = host(t)
  const calls = installDriverctl(t, root, '0000:03:00.2')
  await t.rejects(bind(driverctlBinder(root, write)), {
    message:
      'driverctl set-override 0000:03:00.2 vfio-pci failed: driverctl: failed to bind device 0000:03:00.2 to driver ' +
      'vfio-pci; run it as root; see dmesg',
    exitCode: 69,
  })
  t.strictSame(drivers(), IGB)
  t.strictSame(overrides(), {})
  t.strictSame(warnings, [])
  t.equal(
    calls(),
    'set-override 0000:03:00.0 vfio-pci\nset-override 0000:03:00.1 vfio-pci\nset-override 0000:03:00.2 vfio-pci\n' +
      'unset-override 0000:03:00.1\nunset-override 0000:03:00.0\n',
    'what is saved for the next boot goes, too',
  )
})
