import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import { EMPTY_HOST } from '../../src/host/facts.js'
import { readHostFacts } from '../../src/host/read.js'
import { runAsNobody, whyNotNobody } from '../as-nobody.js'
import { device, madeHost, uevent, writeFiles } from './made-host.js'

const TODO = 'give --sysroot a directory with the /sys of a host in it, or leave it out'

t.test('a sysroot must be a directory with a /sys', async (t) => {
  const root = t.testdir({ file: '', empty: {} })
  for (const [path, reason] of [
    [`${root}/nothing`, 'does not exist'],
    [`${root}/file/x`, 'does not exist'],
    [`${root}/file`, 'is not a directory'],
    [`${root}/empty`, 'has no /sys'],
  ] as const) {
    t.throws(() => readHostFacts(path), { exitCode: 65, message: `sysroot ${reason}: ${path}; ${TODO}` })
  }
  t.throws(() => readHostFacts(''), { exitCode: 65, message: `sysroot does not exist; ${TODO}` })
})

t.test('a host without PCI has no devices', async (t) => {
  const root = madeHost(t, { '/sys/devices/system/cpu/present': '0-1\n' })
  const {
    useOf: _,
    mayBeOpen: __,
    iommuNode: ___,
    passed: ____,
    ...facts
  } = readHostFacts(root, {
    pci: true,
    cpus: true,
    topology: false,
    memory: false,
  })
  t.strictSame(facts, {
    ...EMPTY_HOST,
    cpus: {
      present: [0, 1],
      online: [0, 1],
      isolated: null,
      cpuset: null,
      siblings: {},
      nodes: {},
      realtimeRuntime: null,
    },
  })
})

t.test('a host that does not say which CPUs it has', async (t) => {
  const readPresentCpus = (sysroot: string) =>
    readHostFacts(sysroot, { pci: false, cpus: true, topology: false, memory: false }).cpus?.present ?? null
  t.equal(readPresentCpus(madeHost(t, { '/sys/devices/x': '' })), null)
  t.equal(readPresentCpus(madeHost(t, { '/sys/devices/system/cpu/present': '\n' })), null)
  t.strictSame(readPresentCpus(madeHost(t, { '/sys/devices/system/cpu/present': '0-2,8\n' })), [0, 1, 2, 8])
})

t.test('a slash at the end of the sysroot does not matter', async (t) => {
  const facts = (sysroot: string) => {
    const { pci, ...host } = readHostFacts(sysroot)
    const devices = pci.map(({ isGone, directRegion, interruptGuards, ...device }) => [
      device,
      isGone?.(),
      directRegion?.(),
      interruptGuards?.(),
    ])
    return { ...host, devices, useOf: null, mayBeOpen: null, kernelThreads: null }
  }
  t.strictSame(facts('fixtures/hosts/four-nics/'), facts('fixtures/hosts/four-nics'))
})

/** Reads a host's facts as nobody. @returns the facts, or the error's exit code and message */
function readAsNobody(t: Test, root: string): unknown {
  const program = `import { readHostFacts } from './src/host/read.ts'
    try { console.log(JSON.stringify(readHostFacts(process.argv[2], { pci: true, cpus: true, memory: false }))) }
    catch ({ exitCode, message }) { console.log(JSON.stringify({ exitCode, message })) }`
  return runAsNobody(t, program, root)
}

t.test('as a user without rights', { skip: whyNotNobody() }, async (t) => {
  // Not below the project's directory, which that user may not search.
  const root = mkdtempSync(`${tmpdir()}/qemu-rt-test-`)
  t.teardown(() => rmSync(root, { recursive: true }))
  chmodSync(root, 0o755)
  writeFiles(root, {
    [`${device('0000:03:00.0')}/uevent`]: uevent('vfio-pci'),
    [`${device('0000:03:00.0')}/iommu_group`]: { to: '../../../kernel/iommu_groups/12' },
    '/dev/vfio/12': '',
    '/var/lib/qemu-rt/nics.json': '{"version": 1, "devices": []}',
  })

  t.test('a /dev/vfio node that may not be opened is denied', async (t) => {
    chmodSync(`${root}/dev/vfio/12`, 0o600)
    t.match(readAsNobody(t, root), { pci: [{ vfioNode: { path: '/dev/vfio/12', access: 'denied' } }] })
    chmodSync(`${root}/dev/vfio/12`, 0o666)
    t.match(readAsNobody(t, root), { pci: [{ vfioNode: { access: 'ok' } }] })
  })

  t.test('what may not be read ends with exit code 77 and the place', async (t) => {
    const todo = 'give the user read and search permission there, or run as another user'
    const inventory = `${root}/var/lib/qemu-rt/nics.json`
    for (const [path, message] of [
      [
        inventory,
        `this user may not read the saved NIC inventory: ${inventory}; run as root: chmod a+r ${inventory}`,
      ],
      [
        `${root}/sys/bus/pci/devices`,
        `this user may not read the host: ${root}/sys/bus/pci/devices; ${todo}`,
      ],
      [root, `this user may not read the host: ${root}/sys/bus/pci/devices; ${todo}`],
    ] as const) {
      chmodSync(path, 0o000)
      t.strictSame(readAsNobody(t, root), { exitCode: 77, message })
      chmodSync(path, 0o755)
    }
    chmodSync(root, 0o000)
    t.strictSame(readAsNobody(t, `${root}/sys/..`), {
      exitCode: 77,
      message: `this user may not read the host: ${root}/sys/..; ${todo}`,
    })
    chmodSync(root, 0o755)
  })
})
