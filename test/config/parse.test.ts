import t from 'tap'
import { EMPTY_POLICY } from '../../src/config/load.js'
import { parsePolicy } from '../../src/config/parse.js'
import type { NicSelector, Policy, Profile } from '../../src/config/policy.js'

const EXAMPLE = `# /etc/qemu-rt/qemu-rt.toml
[emulators]
x86_64 = "/usr/bin/qemu-system-x86_64"

[host]
housekeeping = "0-1"          # emulator, worker and I/O threads
realtime     = "4-15"         # isolated; what cpus = "auto" hands out
switch       = "2-3"          # the poll-mode switch's; never handed to a VM

[nic.fieldbus0]               # one NIC: all selectors given must match, exactly one device may
mac = "a0:36:9f:12:34:56"

[nic.line1]                   # a pool: any free one
pf = "ens1f0"                 # also: address, interface, vf, id = "8086:1521", slot, numa-node
pool = true

[profile.rt]
vcpus       = { cpus = "auto", policy = "fifo", priority = 1, realtime-mask = "^0" }
emulator    = { cpus = "housekeeping" }
iothreads   = { cpus = "housekeeping" }
lock-memory = true
hugepages   = "1G"
share       = "auto"          # auto (when vhost-user is there) | always | never

[[domain]]                    # first match wins; globs; name, uuid or flavor
name    = "plc-*"
profile = "rt"
nics    = { hostdev0 = "fieldbus0" }   # replace the device libvirt chose; or a list, to add

[[rule]]                      # general rewriting
option = "device"
match  = { driver = "virtio-net-pci" }
set    = { rx_queue_size = 1024, tx_queue_size = 1024 }
`

const ANY_NIC = {
  mac: null,
  address: null,
  interface: null,
  pf: null,
  vf: null,
  id: null,
  slot: null,
  numaNode: null,
  pool: false,
  interrupts: null,
  givenTo: null,
}
const HOUSEKEEPING = { cpus: 'housekeeping', policy: null, priority: null }

t.test('the example of the documentation parses to what it says', async (t) => {
  const { place, ...policy } = parsePolicy(EXAMPLE, 'q.toml')
  t.same(policy, {
    emulators: { x86_64: '/usr/bin/qemu-system-x86_64' },
    host: { housekeeping: [0, 1], realtime: [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], switch: [2, 3] },
    nics: {
      fieldbus0: { ...ANY_NIC, mac: 'a0:36:9f:12:34:56' },
      line1: { ...ANY_NIC, pf: 'ens1f0', pool: true },
    },
    profiles: {
      rt: {
        vcpus: {
          cpus: 'auto',
          policy: 'fifo',
          priority: 1,
          realtimeMask: '^0',
          isolatesCores: false,
          hotplug: 'lease',
        },
        emulator: HOUSEKEEPING,
        iothreads: HOUSEKEEPING,
        workers: null,
        vhost: null,
        threadContexts: null,
        lockMemory: true,
        hugepages: '1G',
        share: 'auto',
        strict: false,
        interrupts: null,
        givenTo: null,
      },
    },
    domains: [
      {
        name: 'plc-*',
        uuid: null,
        flavor: null,
        instance: null,
        profile: 'rt',
        nics: { replace: { hostdev0: 'fieldbus0' } },
      },
    ],
    rules: [
      {
        option: 'device',
        profile: null,
        match: { driver: 'virtio-net-pci' },
        set: { rx_queue_size: 1024, tx_queue_size: 1024 },
        delete: [],
        add: false,
      },
    ],
  })
  t.equal(place(['nic', 'line1']), 'q.toml:13')
})

t.test('an entry says which domains may ask for it, by one glob or several', async (t) => {
  const { nics, profiles } = parsePolicy(
    '[nic.a]\nslot = "1"\ndomains = ["plc-*", "cell"]\n[nic.b]\nslot = "1"\nflavor = "rt.*"\n[profile.p]\ndomains = "x"',
    'q.toml',
  )
  t.same(nics.a?.givenTo, { domains: ['plc-*', 'cell'], flavors: null })
  t.same(nics.b?.givenTo, { domains: null, flavors: ['rt.*'] })
  t.same(profiles.p?.givenTo, { domains: ['x'], flavors: null })
  for (const wrong of ['domains = []', 'domains = [""]', 'flavor = 1', 'domains = [1]']) {
    t.throws(
      () => parsePolicy(`[nic.a]\nslot = "1"\n${wrong}`, 'q.toml'),
      { exitCode: 78, message: /q\.toml:3/ },
      wrong,
    )
  }
})

t.test('an empty file is the empty policy', async (t) => {
  const { place, ...policy } = parsePolicy('', 'q.toml')
  const { place: defaultPlace, ...empty } = EMPTY_POLICY
  t.strictSame(policy, empty)
  t.equal(place(['nic']), 'q.toml')
  t.equal(defaultPlace([]), '/etc/qemu-rt/qemu-rt.toml')
})

/** [nic.x] with a body → the selectors that are not null. */
const NICS: readonly [string, Partial<NicSelector>][] = [
  ['mac = "A0-36-9F-12-34-56"', { mac: 'a0:36:9f:12:34:56' as NicSelector['mac'] }],
  ['address = "3:0.1"', { address: '0000:03:00.1' as NicSelector['address'] }],
  ['interface = "ens1f0"', { interface: 'ens1f0' }],
  ['pf = "0000:03:00.0"\nvf = 0', { pf: '0000:03:00.0', vf: 0 }],
  [
    'id = "8086:15AB"\nnuma-node = 1\npool = true',
    { id: { vendor: '8086', device: '15ab' }, numaNode: 1, pool: true },
  ],
  ['slot = "3-1"', { slot: '3-1' }],
]

for (const [body, expected] of NICS) {
  t.test(`a NIC with ${body.replaceAll('\n', ', ')}`, async (t) => {
    t.same(parsePolicy(`[nic.x]\n${body}`, 'q.toml').nics.x, { ...ANY_NIC, ...expected })
  })
}

/** [profile.x] with a body → a part of the profile. */
const PROFILES: readonly [string, string, Partial<Profile>][] = [
  [
    'CPUs for all vCPUs as a list',
    'vcpus.cpus = "4-5,^4,8"',
    {
      vcpus: {
        cpus: [5, 8],
        policy: null,
        priority: null,
        realtimeMask: null,
        isolatesCores: false,
        hotplug: 'lease',
      },
    },
  ],
  [
    'a list for vCPUs, in the order that it is written in',
    'vcpus.cpus = "8,24,9,25"',
    {
      vcpus: {
        cpus: [8, 24, 9, 25],
        policy: null,
        priority: null,
        realtimeMask: null,
        isolatesCores: false,
        hotplug: 'lease',
      },
    },
  ],
  [
    'a core for each vCPU',
    'vcpus = { cpus = "auto", threads = "isolate" }',
    {
      vcpus: {
        cpus: 'auto',
        policy: null,
        priority: null,
        realtimeMask: null,
        isolatesCores: true,
        hotplug: 'lease',
      },
    },
  ],
  [
    'CPUs for each vCPU',
    'vcpus = { cpus = { 0 = "4", 1 = "5-6" }, policy = "rr", priority = 5 }',
    {
      vcpus: {
        cpus: { 0: [4], 1: [5, 6] },
        policy: 'rr',
        priority: 5,
        realtimeMask: null,
        isolatesCores: false,
        hotplug: 'lease',
      },
    },
  ],
  [
    'a real-time policy without a priority, which is the lowest',
    'vcpus = { policy = "fifo", realtime-mask = "^0-1, 3" }',
    {
      vcpus: {
        cpus: null,
        policy: 'fifo',
        priority: 1,
        realtimeMask: '^0-1, 3',
        isolatesCores: false,
        hotplug: 'lease',
      },
    },
  ],
  [
    'a best-effort policy, which has no priority',
    'emulator = { policy = "batch" }',
    { emulator: { cpus: null, policy: 'batch', priority: null } },
  ],
  [
    'I/O threads by id',
    'iothreads = { iothread1 = { cpus = "3" }, iothread2 = { cpus = "realtime", policy = "fifo" } }',
    {
      iothreads: {
        iothread1: { cpus: [3], policy: null, priority: null },
        iothread2: { cpus: 'realtime', policy: 'fifo', priority: 1 },
      },
    },
  ],
  [
    'all I/O threads with nothing set',
    'iothreads = {}',
    { iothreads: { cpus: null, policy: null, priority: null } },
  ],
  [
    'worker and vhost threads',
    'workers.cpus = "auto"\nvhost.cpus = "2"',
    {
      workers: { cpus: 'auto', policy: null, priority: null },
      vhost: { cpus: [2], policy: null, priority: null },
    },
  ],
  [
    'memory and strictness',
    'lock-memory = false\nhugepages = "2M"\nshare = "never"\nstrict = true',
    { lockMemory: false, hugepages: '2M', share: 'never', strict: true },
  ],
]

for (const [name, body, expected] of PROFILES) {
  t.test(`a profile with ${name}`, async (t) => {
    t.match(parsePolicy(`[profile.x]\n${body}`, 'q.toml').profiles.x, expected)
  })
}

t.test(
  'a domain adds NICs that the configuration need not define, and its UUID is compared in lower case',
  async (t) => {
    const toml =
      '[[domain]]\nuuid = "4DEA22B3-*"\nnics = ["fieldbus0", "ens1f0"]\n[[domain]]\nflavor = "rt.*"'
    t.same(parsePolicy(toml, 'q.toml').domains, [
      {
        name: null,
        uuid: '4dea22b3-*',
        flavor: null,
        instance: null,
        profile: null,
        nics: { add: ['fieldbus0', 'ens1f0'] },
      },
      { name: null, uuid: null, flavor: 'rt.*', instance: null, profile: null, nics: null },
    ])
  },
)

t.test('a rule may delete and add, and its values keep their types', async (t) => {
  const toml = `
    [profile.rt]
    [[rule]]
    option = "device"
    profile = "rt"
    match.driver = ""
    set = { "a.b" = true, size = 1.5, name = "1" }
    delete = ["rombar"]
    add = true`
  t.same(parsePolicy(toml, 'q.toml').rules, [
    {
      option: 'device',
      profile: 'rt',
      match: { driver: '' },
      set: { 'a.b': true, size: 1.5, name: '1' },
      delete: ['rombar'],
      add: true,
    },
  ])
})

t.test('names that every JavaScript object inherits are not found in the configuration', async (t) => {
  const policy: Policy = parsePolicy('[nic.toString]\nslot = "1"', 'q.toml')
  t.match(policy.nics.toString, { slot: '1' })
  for (const table of [policy.nics, policy.profiles, policy.emulators]) t.equal(table.constructor, undefined)
})

t.test('a byte order mark is passed over', async (t) => {
  const { host, place } = parsePolicy('\ufeff[host]\nrealtime = "1"', 'q.toml')
  t.same(host.realtime, [1])
  t.equal(place(['host', 'realtime']), 'q.toml:2')
})

t.test('interrupts: CPUs by list or name, and a priority, of a profile and of a NIC', async (t) => {
  const { nics, profiles } = parsePolicy(
    `[nic.a]
slot = "1"
interrupts = { cpus = "0-1,3" }
[nic.b]
slot = "2"
interrupts = { priority = 60 }
[profile.p]
interrupts = { cpus = "housekeeping" }
[profile.q]
interrupts = { cpus = "vcpu", priority = 99 }`,
    'q.toml',
  )
  t.same(nics.a?.interrupts, { cpus: [0, 1, 3], priority: null })
  t.same(nics.b?.interrupts, { cpus: null, priority: 60 })
  t.same(profiles.p?.interrupts, { cpus: 'housekeeping', priority: null })
  t.same(profiles.q?.interrupts, { cpus: 'vcpu', priority: 99 })
  for (const [wrong, message] of [
    ['{ cpus = "auto" }', /"auto" is not a list of CPUs: .*"housekeeping", "vcpu"/],
    ['{ cpus = "vpcu" }', /did you mean 'vcpu'/],
    ['{ cpus = "" }', /is not a list of CPUs/],
    ['{ cpus = 1 }', /is not a list of CPUs/],
    ['{ priority = 0 }', /from 1 to 99/],
    ['{ priority = 100 }', /from 1 to 99/],
    ['{ }', /says nothing/],
    ['{ cpu = "1" }', /unknown key 'cpu': .*did you mean 'cpus'/],
    ['"housekeeping"', /is not a table/],
  ] as const) {
    t.throws(
      () => parsePolicy(`[profile.p]\ninterrupts = ${wrong}`, 'q.toml'),
      { exitCode: 78, message },
      wrong,
    )
  }
})
