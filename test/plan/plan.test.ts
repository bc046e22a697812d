import fc from 'fast-check'
import t from 'tap'
import { planToJson } from '../../src/plan/json.js'
import { argv, cpusOf, FOUR_NICS, NAMED, planOf, warningsOf } from './make.js'

t.test('threads get names, unless somebody said off', async (t) => {
  const names = (args: string[], given = {}) => argv(planOf(args, given))
  t.strictSame(names(['-S']), ['-S', '-name', 'debug-threads=on'])
  t.strictSame(names(['-name', 'vm']), ['-name', 'vm,debug-threads=on'])
  t.strictSame(names(['-name', 'a,,b,process=p']), ['-name', 'a,,b,process=p,debug-threads=on'])
  t.strictSame(names(['-name', '']), ['-name', 'debug-threads=on'])
  t.strictSame(names(['-name', 'vm,debug-threads=off']), ['-name', 'vm,debug-threads=off'])
  const profile = { config: '[profile.rt]\n', options: ['--profile', 'rt'] }
  t.strictSame(names(['-name', 'vm,debug-threads=off'], profile), ['-name', 'vm,debug-threads=on'])
  t.strictSame(names(['-name', 'debug-threads=on', '-name', 'x']), [
    '-name',
    'debug-threads=on',
    '-name',
    'x',
  ])
})

t.test('the JSON form is the contract', async (t) => {
  const config = '[nic.fieldbus0]\nmac = "a0:36:9f:00:00:01"\n'
  const plan = planOf([...NAMED, '-device', 'vfio-pci,host=nic:fieldbus0,id=hostdev0'], {
    config,
    pci: FOUR_NICS,
  })
  t.strictSame(JSON.parse(JSON.stringify(planToJson(plan))), {
    version: 1,
    emulator: '/usr/bin/qemu-system-x86_64',
    argv: [...NAMED, '-device', 'vfio-pci,host=0000:03:00.1,id=hostdev0'],
    changes: [
      {
        pass: 'nic-assignment',
        option: '-device',
        before: 'vfio-pci,host=nic:fieldbus0,id=hostdev0',
        after: 'vfio-pci,host=0000:03:00.1,id=hostdev0',
        reason:
          "NIC 'fieldbus0' is 0000:03:00.1 (ens1f1, a0:36:9f:00:00:01, vfio-pci), IOMMU group 3001, NUMA node 0",
      },
    ],
    nics: [
      {
        name: 'fieldbus0',
        device: 'hostdev0',
        address: '0000:03:00.1',
        iommuGroup: 3001,
        numaNode: 0,
        ready: true,
      },
    ],
    affinity: null,
    lease: { nics: ['0000:03:00.1'], cpus: '' },
    threads: null,
    warnings: [],
  })
})

t.test('the first [[domain]] that matches applies, and --profile beats its profile', async (t) => {
  const config = `
[profile.a]
[profile.b]
[[domain]]
flavor = "f*"
profile = "b"
[[domain]]
name = "plc-*"
uuid = "c7a5*"
profile = "a"
[[domain]]
name = "*"
profile = "b"
`
  const profile = (name: string, uuid: string, options: string[] = []) =>
    planOf(['-name', name, '-uuid', uuid], { config, options }).profile
  t.equal(profile('plc-1', 'C7A5FDBD'), 'a')
  t.equal(profile('plc-1', 'ffff'), 'b')
  t.equal(profile('a/b', 'ffff'), 'b')
  t.equal(profile('plc-1', 'c7a5', ['--profile', 'b']), 'b')
  t.match(warningsOf(planOf([], { config })), [/\[\[domain\]\] 1 of qemu-rt.toml selects by flavor/])
})

t.test('a profile that is not defined is an error', async (t) => {
  t.throws(() => planOf([], { config: '[profile.realtime]\n', options: ['--profile', 'realtme'] }), {
    message: "profile 'realtme' is not defined: qemu-rt.toml; did you mean 'realtime'?",
    exitCode: 78,
  })
  t.throws(() => planOf([], { options: ['--profile', 'x'] }), { message: /it defines none/ })
})

t.test('CPUs that the host has not are an error', async (t) => {
  const config = '[host]\nhousekeeping = "0-1"\nrealtime = "4-15"\n'
  t.throws(() => planOf([], { config, cpus: cpusOf('0-7') }), {
    message:
      "CPU 8-15 of 'realtime' does not exist on this host: qemu-rt.toml:3; name only CPUs of this host: 0-7",
    exitCode: 78,
  })
})

t.test('the emulator comes from the flag, the configuration or the entry', async (t) => {
  const config = '[emulators]\nx86_64 = "/opt/qemu/bin/qemu-system-x86_64"\n'
  t.equal(planOf([]).emulator, '/usr/bin/qemu-system-x86_64')
  t.equal(planOf([], { config }).emulator, '/opt/qemu/bin/qemu-system-x86_64')
  t.equal(planOf([], { config, options: ['--emulator', '/q'] }).emulator, '/q')
})

const CONFIG = `
[nic.fieldbus0]
mac = "a0:36:9f:00:00:01"
[nic.line]
id = "8086:1521"
pool = true
[profile.p]
share = "always"
[[domain]]
name = "plc*"
nics = ["line", "fieldbus0"]
[[rule]]
option = "device"
match = { driver = "virtio-net-pci" }
set = { rx_queue_size = 1024 }
[[rule]]
option = "overcommit"
set = { cpu-pm = true }
add = true
`

/** Options that the passes look at, in odd company. */
const fragment = fc.oneof(
  fc.constantFrom(
    ['-name', 'plc-1'],
    ['-name', 'guest=other,debug-threads=off'],
    ['-m', '512'],
    ['-m', '1.5G,slots=2,maxmem=8G'],
    ['-machine', 'q35,accel=kvm'],
    ['-M', 'pc'],
    ['-mem-path', '/dev/shm'],
    ['-mem-prealloc'],
    ['-netdev', 'vhost-user,id=n,chardev=c'],
    ['-netdev', '{"type":"vhost-user","id":"m"}'],
    ['-machine', 'memory-backend=r', '-object', '{"qom-type":"memory-backend-ram","id":"r","size":1}'],
    ['-object', 'memory-backend-file,id=d,size=1G,mem-path=/a,,b', '-device', 'pc-dimm,memdev=d'],
    ['-numa', 'node,memdev=k', '-object', 'memory-backend-memfd,share=off,id=k,size=1G'],
    ['-device', 'virtio-net-pci,netdev=n'],
    ['-device', '{"driver":"virtio-net-pci" , "x":1.0}'],
    ['-device', 'vfio-pci,host=0000:03:00.3'],
    ['-device', 'vfio-pci,host=nic:ens1f2,id=h'],
    ['-overcommit', 'mem-lock=off'],
    ['-unknown', 'parameter'],
    ['disk.img'],
    ['-append', '-device vfio-pci,host=nic:x'],
  ),
  fc.array(fc.constantFrom('-S', '-no-shutdown', '-nodefaults'), { maxLength: 2 }),
)

t.test('planning a plan’s own output changes nothing', async () => {
  const lines = fc.uniqueArray(fragment, { maxLength: 14, selector: (words) => words.join(' ') })
  fc.assert(
    fc.property(lines, fc.boolean(), (fragments, withProfile) => {
      const given = { config: CONFIG, pci: FOUR_NICS, options: withProfile ? ['--profile', 'p'] : [] }
      const once = planOf(fragments.flat(), given)
      const twice = planOf(argv(once), given)
      return twice.changes.length === 0 && JSON.stringify(argv(twice)) === JSON.stringify(argv(once))
    }),
    { numRuns: 400 },
  )
})

t.test('what no pass is about is passed on by position', async () => {
  const other = fc.constantFrom(
    ['-append', 'x y'],
    ['-unknown', '{'],
    ['disk.img'],
    ['-S'],
    ['-kernel', "a'b"],
  )
  fc.assert(
    fc.property(fc.array(other), (fragments) => {
      const args = [...NAMED, ...fragments.flat()]
      const { words, changes } = planOf(args)
      // `run` and `--` stand before them in the launcher's "$@".
      return (
        changes.length === 0 &&
        words.every(({ text, position }, at) => text === args[at] && position === at + 3)
      )
    }),
  )
})

t.test('an option without its argument at the end is an error, as QEMU has it', async (t) => {
  t.throws(() => planOf(['-M', 'none', '-D']), {
    exitCode: 65,
    message: 'an option has no argument: -D (option 2); give it one or leave it out',
  })
})

t.test('the microvm emulator is its own', async (t) => {
  const config = '[emulators]\nx86_64-microvm = "/q"\n[profile.p]\nshare = "always"\n'
  const plan = planOf([...NAMED, '-m', '64'], { config, arch: 'x86_64-microvm', options: ['--profile', 'p'] })
  t.equal(plan.emulator, '/q')
  t.match(
    argv(
      planOf([...NAMED, '-m', '64'], {
        config: '[profile.p]\nshare = "always"\n',
        arch: 'x86_64-microvm',
        options: ['--profile', 'p'],
      }),
    ).join(' '),
    /id=microvm\.ram/,
  )
})

t.test('a domain for every VM is for one without a name, too', async (t) => {
  const config = '[profile.p]\nshare = "auto"\n[[domain]]\nname = "*"\nprofile = "p"\n'
  t.equal(planOf(['-m', '64'], { config }).profile, 'p')
})

t.test('-set of a group that no table has warns of nothing', async (t) => {
  t.strictSame(warningsOf(planOf([...NAMED, '-set', 'constructor.x.y=z'])), [])
})
