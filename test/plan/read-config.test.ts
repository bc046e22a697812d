import t from 'tap'
import { checkIdentity } from '../../src/plan/own-settings.js'
import type { Plan } from '../../src/plan/plan.js'
import { readRequest } from '../../src/plan/request.js'
import { withRequestFiles } from '../../src/plan/request-files.js'
import { address, argv, cpusOf, FOUR_NICS, NAMED, planOf, warningsOf } from './make.js'

const PATH = 'vm.cfg'
const FILE = ['-readconfig', PATH]

type Given = NonNullable<Parameters<typeof planOf>[1]>

/** Plans a command line with a file of this text; and again what came of it, which changes nothing. */
function planFile(text: string, args: readonly string[] = [...NAMED, ...FILE], given: Given = {}): Plan {
  const facts = { ...given, readConfigs: [{ path: PATH, text }] }
  const plan = planOf(args, facts)
  const again = planOf(argv(plan), facts)
  if (again.changes.length > 0) throw new Error(`changed again: ${JSON.stringify(again.changes)}`)
  return plan
}

const refusal = (run: () => unknown): string => {
  try {
    run()
    return 'none'
  } catch (error) {
    const { message, exitCode } = error as Error & { exitCode?: number }
    return `${exitCode} ${message}`
  }
}

const VHOST_USER = `[chardev "c0"]
  backend = "socket"
  path = "/run/vhu0"

[netdev "n0"]
  type = "vhost-user"
  chardev = "c0"

[device "net0"]
  driver = "virtio-net-pci"
  netdev = "n0"
`

t.test('a vhost-user device of a file has RAM of the command line shared', async (t) => {
  const plan = planFile(VHOST_USER, [...NAMED, '-machine', 'q35', '-m', '64M', ...FILE])
  t.strictSame(argv(plan).slice(2), [
    ...['-machine', 'q35,memory-backend=pc.ram', '-m', '64M', ...FILE],
    ...['-object', 'memory-backend-memfd,id=pc.ram,size=67108864,share=on'],
  ])
  t.strictSame(warningsOf(plan), [])
})

t.test('and plain RAM that the file describes, by options after it', async (t) => {
  const text = `[machine]\n  type = "q35"\n[memory]\n  size = "64"\n[name]\n  guest = "plc-1"\n${VHOST_USER}`
  const plan = planFile(text, FILE)
  t.strictSame(argv(plan), [
    ...FILE,
    ...['-object', 'memory-backend-memfd,id=pc.ram,size=67108864,share=on'],
    ...['-machine', 'memory-backend=pc.ram', '-name', 'debug-threads=on'],
  ])
  t.equal(plan.guest.name, 'plc-1')
})

const backend = (type: string, more = '') =>
  `[machine]\n  type = "q35"\n  memory-backend = "mem0"\n[memory]\n  size = "64M"\n[object "mem0"]\n` +
  `  qom-type = "${type}"\n  size = "64M"\n${more}${VHOST_USER}`

t.test(
  'a backend of the file that is shared already stays, another refuses the plan and says what to write',
  async (t) => {
    for (const shared of [
      backend('memory-backend-memfd'),
      backend('memory-backend-memfd', '  share = "on"\n'),
      backend('memory-backend-file', '  mem-path = "/dev/shm"\n  share = "on"\n'),
    ]) {
      t.strictSame(argv(planFile(shared)), [...NAMED, ...FILE])
    }
    t.equal(
      refusal(() => planFile(backend('memory-backend-memfd', '  share = "off"\n'))),
      '65 a -readconfig file has to change (private memory stays invisible to the vhost-user back end): ' +
        '[object "mem0"] (vm.cfg line 6); write share = "on" there, or put it on the command line as -object',
    )
    t.match(
      refusal(() => planFile(backend('memory-backend-ram'))),
      /^65 .*; write qom-type = "memory-backend-memfd", share = "on" there, or put it on the command line as -object$/,
    )
    t.match(
      refusal(() =>
        planFile(backend('memory-backend-memfd'), [...NAMED, ...FILE], {
          options: ['--profile', 'p'],
          config: '[profile.p]\nhugepages = "2M"\n',
          hugePages: null,
        }),
      ),
      /^65 .*huge pages of 2M.*; write hugetlb = "on", hugetlbsize = "2M", prealloc = "on" there/,
    )
  },
)

t.test('RAM by NUMA node, and memory devices of a file', async (t) => {
  const numa = `[numa]\n  type = "node"\n  memdev = "mem0"\n`
  const object = '[object "mem0"]\n  qom-type = "memory-backend-file"\n  mem-path = "/x"\n  size = "64M"\n'
  const dimm = '[device "d0"]\n  driver = "pc-dimm"\n  memdev = "mem0"\n'
  for (const use of [numa, dimm]) {
    t.match(
      refusal(() => planFile(use + object + VHOST_USER)),
      /^65 .*\[object "mem0"\].*write share = "on" there/,
    )
  }
})

t.test('sizes, vCPUs and the machine type of the file count, in the order of the command line', async (t) => {
  const text = '[smp-opts]\n  cpus = "2"\n[machine]\n  type = "q35"\n[memory]\n  size = "64"\n'
  const after = planFile(text, [
    ...NAMED,
    ...FILE,
    '-m',
    '32',
    '-object',
    'cryptodev-vhost-user,id=c,chardev=x',
  ])
  t.ok(argv(after).includes('memory-backend-memfd,id=pc.ram,size=33554432,share=on'))
  const before = planFile(text, [
    ...NAMED,
    '-m',
    '32',
    ...FILE,
    '-object',
    'cryptodev-vhost-user,id=c,chardev=x',
  ])
  t.ok(argv(before).includes('memory-backend-memfd,id=pc.ram,size=67108864,share=on'))
  const threads = planFile(text, [...NAMED, ...FILE], {
    options: ['--profile', 'p'],
    config: '[host]\nhousekeeping = "0"\nrealtime = "1-3"\n[profile.p]\nvcpus = { cpus = "realtime" }\n',
    cpus: cpusOf('0-3'),
  }).threads
  t.equal(threads?.vcpus.length, 2)
})

t.test('a name of a NIC in a file is set by -set, where the device has an id', async (t) => {
  const device = (head: string, host = 'nic:line1') =>
    `[${head}]\n  driver = "vfio-pci"\n  host = "${host}"\n`
  const given: Given = { pci: FOUR_NICS, config: '[nic.line1]\ninterface = "ens1f1"\n' }
  const plan = planFile(device('device "h0"'), undefined, given)
  t.strictSame(argv(plan), [...NAMED, ...FILE, '-set', 'device.h0.host=0000:03:00.1'])
  t.strictSame(
    plan.nics.map(({ name, device }) => [name, device]),
    [['line1', 'h0']],
  )
  t.strictSame(plan.lease?.nics, ['0000:03:00.1'])
  t.match(
    refusal(() => planFile(device('device'), undefined, given)),
    /^65 a -readconfig file has to change \(NIC 'line1' is .*\): \[device\] \(vm.cfg line 1\); write host = "0000:03:00.1" there, or put it on the command line as -device$/,
  )
  t.match(
    refusal(() => planFile(device('device "a.b"'), undefined, given)),
    /^65 .*write host = /,
    'no -set has such an id',
  )
})

t.test('a vfio-pci device of a file has its address', async (t) => {
  const text = (how: string) => `[device "h0"]\n  driver = "vfio-pci"\n  ${how}\n`
  const config = '[nic.line]\nmac = ["a0:36:9f:00:00:00", "a0:36:9f:00:00:01"]\npool = true\n'
  const pool = '[nic.line]\nid = "8086:1521"\npool = true\n'
  for (const how of [
    'host = "0000:03:00.0"',
    'host = "03:00.0"',
    'sysfsdev = "/sys/bus/pci/devices/0000:03:00.0"',
  ]) {
    const plan = planFileOnce(text(how), { pci: FOUR_NICS, config: pool, options: ['--nic', 'line'] })
    t.equal(argv(plan).at(-1), 'vfio-pci,host=0000:03:00.1', how)
  }
  t.match(
    refusal(() =>
      planFileOnce(text('host = "03:00.0"'), {
        pci: FOUR_NICS,
        config: config.replace(/mac.*\npool.*/, 'interface = "ens1f0"'),
        options: ['--nic', 'line'],
      }),
    ),
    /^69 .*0000:03:00.0.*'h0'/,
  )
})

/** `--nic` would add one once more. */
function planFileOnce(text: string, given: Given): Plan {
  return planOf([...NAMED, ...FILE], { ...given, readConfigs: [{ path: PATH, text }] })
}

t.test("a domain's nics replace a device of the file", async (t) => {
  const text = '[device "h0"]\n  driver = "vfio-pci"\n  host = "03:00.0"\n[name]\n  guest = "vm"\n'
  const config = '[[domain]]\nname = "vm"\nnics = { h0 = "line1" }\n[nic.line1]\ninterface = "ens1f1"\n'
  const plan = planFile(text, undefined, { pci: FOUR_NICS, config })
  t.strictSame(argv(plan).slice(-2), ['-set', 'device.h0.host=0000:03:00.1'])
  const bySysfs = text.replace('host = "03:00.0"', 'sysfsdev = "/sys/bus/pci/devices/0000:03:00.0"')
  t.match(
    refusal(() => planFile(bySysfs, undefined, { pci: FOUR_NICS, config })),
    /^65 .*write host = "0000:03:00.1" there, take out sysfsdev, or put it/,
  )
})

t.test('-set is part of what it changes', async (t) => {
  const given: Given = { pci: FOUR_NICS, config: '[nic.line1]\ninterface = "ens1f1"\n' }
  const set = ['-device', 'vfio-pci,id=h0,host=03:00.0', '-set', 'device.h0.host=nic:line1']
  const plan = planOf([...NAMED, ...set], given)
  t.strictSame(argv(plan).slice(2), [...set, '-set', 'device.h0.host=0000:03:00.1'])
  t.strictSame(planOf(argv(plan), given).changes, [])
  t.strictSame(warningsOf(plan), [])
  const later = ['-set', 'device.h0.host=nic:line1', '-device', 'vfio-pci,id=h0,host=03:00.0']
  t.match(warningsOf(planOf([...NAMED, ...later], given)), [
    /-set device.h0.host=nic:line1 .* changes devices after/,
  ])
  const json = [
    '-device',
    '{"driver":"vfio-pci","id":"h0","host":"03:00.0"}',
    '-set',
    'device.h0.host=nic:line1',
  ]
  t.match(
    warningsOf(planOf([...NAMED, ...json], given)),
    [/changes devices after the plan/],
    'QEMU knows no id of JSON',
  )
})

t.test('rules see what files say, and change it where an option can', async (t) => {
  const rule = (body: string) =>
    `[[rule]]\noption = "device"\nmatch = { driver = "virtio-net-pci" }\n${body}\n`
  const plan = planFile(VHOST_USER.replace('vhost-user', 'user'), undefined, {
    config: rule('set = { mq = true }'),
  })
  t.strictSame(argv(plan).slice(-2), ['-set', 'device.net0.mq=on'])
  t.match(
    refusal(() => planFile(VHOST_USER, undefined, { config: rule('delete = ["netdev"]') })),
    /^65 .*rule 1 of .*\[device "net0"\].*; take out netdev, or put it on the command line as -device$/,
  )
  const around = ['-device', 'virtio-net-pci,id=n,netdev=a,mq=off', '-set', 'device.n.mq=on']
  const own = planOf([...NAMED, ...around], {
    config: rule('set = { mq = false, vectors = 4 }\ndelete = ["netdev"]'),
  })
  t.strictSame(argv(own).slice(2), [
    ...['-device', 'virtio-net-pci,id=n,mq=off,vectors=4', '-set', 'device.n.mq=on'],
    ...['-set', 'device.n.mq=off'],
  ])
  t.match(
    refusal(() => planOf([...NAMED, ...around], { config: rule('delete = ["mq"]') })),
    "65 'mq' must be removed, but -set gives it a value: -device (option 2); take that -set out",
  )
})

t.test('a name of the file says who the VM is, and is no other name for a domain', async (t) => {
  const files = [{ path: PATH, text: '[name]\n  guest = "other"\n' }]
  const request = readRequest({
    entry: 'qemu-system-x86_64',
    args: [...NAMED, ...FILE],
    env: {},
    hostArch: 'x64',
  })
  const seen = withRequestFiles(request, files)
  t.equal(seen.guest.name, 'other')
  t.equal(
    refusal(() => checkIdentity(seen)),
    "77 -name says that this is another domain: 'vm' and 'other'; take -name out of <qemu:commandline>",
  )
})

t.test('a file that does not parse', async (t) => {
  t.equal(
    refusal(() => planFile('[device]\n  driver="e1000"\n')),
    `65 a -readconfig file does not parse: vm.cfg line 2; 'driver="e1000"' is not a key; write: key = "value"`,
  )
  t.match(
    refusal(() => planFile(`[memory]\n  size = "4Q"\n${VHOST_USER}`)),
    "65 memory size '4Q' does not parse: [memory] (vm.cfg line 1); write a number",
  )
  const twice = Array.from({ length: 2 }, (_, at) => ({
    path: `${at}.cfg`,
    text: '[drive]\n  file = "a"\n'.repeat(3000),
  }))
  t.match(
    refusal(() => planOf([...NAMED, '-readconfig', '0.cfg', '-readconfig', '1.cfg'], { readConfigs: twice })),
    '65 -readconfig files have more than 4096 sections: 1.cfg; leave out the file',
  )
})

t.test('a file that could not be read is told', async (t) => {
  const plan = planOf([...NAMED, ...FILE], { readConfigs: [{ path: PATH, text: null }] })
  t.match(warningsOf(plan), ['-readconfig vm.cfg (option 2) could not be read here: devices and memory'])
})

t.test(
  'a device in a file is leased, is refused while another VM has its group, and pins the RAM',
  async (t) => {
    const text = '[device "h0"]\n  driver = "vfio-pci"\n  host = "03:00.2"\n'
    const pci = FOUR_NICS.map((nic) => ({ ...nic, iommuGroup: 13 }))
    t.strictSame(planFile(text, undefined, { pci }).lease?.nics, ['0000:03:00.2'])
    const held = [{ guest: 'plc-0', pid: 4711, nics: [address('0000:03:00.3')], cpus: [] }]
    t.match(
      refusal(() => planFile(text, undefined, { pci, held })),
      "device 'h0' is in IOMMU group 13, of which guest 'plc-0' (PID 4711) has 0000:03:00.3",
    )
    t.match(
      refusal(() => planFile(text, undefined, { pci, memoryLockLimit: 1n << 20n })),
      "77 this user may lock 1 MiB, which is not enough for the guest's RAM of 128 MiB: VFIO and vDPA map all of it",
    )
  },
)
