import t from 'tap'
import { type DomainRequest, NEW_VM, type VmRecord } from '../../src/record/vm.js'
import { address, argv, FOUR_NICS, NAMED, planOf, warningsOf } from './make.js'

const UUID = 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'

const asked = (facts: Partial<DomainRequest> = {}): DomainRequest => ({
  profile: null,
  nics: null,
  flavor: null,
  instance: null,
  ...facts,
})

const CONFIG = `
[nic.fieldbus0]
mac = "a0:36:9f:00:00:02"
[nic.any]
id = "8086:1521"
pool = true
[profile.plain]
[profile.rt]
share = "always"
`

const given = (request: DomainRequest, config = '', options: string[] = []) => ({
  config: CONFIG + config,
  pci: FOUR_NICS,
  asked: request,
  options,
})

t.test(
  'what the domain asks for in its metadata is planned like a [[domain]] of the configuration',
  async (t) => {
    const add = planOf(NAMED, given(asked({ nics: { add: ['fieldbus0'] } })))
    t.strictSame(argv(add).slice(2), ['-device', 'vfio-pci,host=0000:03:00.2'])
    const device = ['-device', 'vfio-pci,host=0000:03:00.0,id=hostdev0']
    const replaced = planOf(
      [...NAMED, ...device],
      given(asked({ nics: { replace: { hostdev0: 'fieldbus0' } } })),
    )
    t.strictSame(argv(replaced).slice(2), ['-device', 'vfio-pci,host=0000:03:00.2,id=hostdev0'])
    t.throws(() => planOf(NAMED, given(asked({ nics: { replace: { hostdev9: 'fieldbus0' } } }))), {
      message:
        "no vfio-pci device with id 'hostdev9' to put NIC 'fieldbus0' in: <metadata> of the domain's XML; there is none: " +
        'write <nic name="fieldbus0"/> to add it',
    })
  },
)

t.test('a flag beats the metadata, which beats the configuration', async (t) => {
  const config = '[[domain]]\nname = "vm"\nprofile = "plain"\nnics = ["any"]'
  const request = asked({ profile: 'rt' })
  t.equal(planOf(NAMED, given(asked(), config)).profile, 'plain')
  t.equal(planOf(NAMED, given(request, config)).profile, 'rt')
  t.equal(planOf(NAMED, given(request, config, ['--profile', 'plain'])).profile, 'plain')
  t.equal(planOf(NAMED, given(request, config)).nics.length, 1, 'NICs are still those of [[domain]]')
  t.strictSame(planOf(NAMED, given(asked({ nics: { add: [] } }), config)).nics, [], 'none is asked for')
  t.throws(() => planOf(NAMED, given(asked({ profile: 'rtt' }))), { message: /'rtt'.*did you mean 'rt'/ })
})

t.test('flavor and instance select a [[domain]] when the hook has told them', async (t) => {
  const config = `
[[domain]]
flavor = "rt.*"
instance = "plc-?"
profile = "rt"
[[domain]]
flavor = "*"
profile = "plain"
`
  const profileOf = (facts: Partial<DomainRequest>) => planOf(NAMED, given(asked(facts), config)).profile
  t.equal(profileOf({ flavor: 'rt.large', instance: 'plc-1' }), 'rt')
  t.equal(profileOf({ flavor: 'rt.large', instance: 'web' }), 'plain')
  t.equal(profileOf({ flavor: 'rt.large' }), 'plain')
  t.equal(profileOf({}), null, 'not even * is one of a VM that Nova did not make')
  t.strictSame(warningsOf(planOf(NAMED, given(asked(), config))), [])
  t.strictSame(warningsOf(planOf(NAMED, { config: CONFIG + config })), [
    "[[domain]] 1 of qemu-rt.toml selects by flavor, which only libvirt's hook can tell; passed over",
    "[[domain]] 2 of qemu-rt.toml selects by flavor, which only libvirt's hook can tell; passed over",
  ])
})

const recorded = (facts: Partial<VmRecord> = {}): VmRecord => ({
  ...NEW_VM,
  id: `libvirt-${UUID}`,
  asked: asked(),
  ...facts,
})

t.test('of a pool the VM gets the device that the hook has got ready', async (t) => {
  const request = asked({ nics: { add: ['any'] } })
  const nics = [{ name: 'any', address: address('0000:03:00.3') }]
  const plan = planOf(NAMED, { ...given(request), record: recorded({ nics, asked: request }) })
  t.strictSame(plan.lease?.nics, ['0000:03:00.3'])
  const elsewhere = [{ name: 'other', address: address('0000:03:00.3') }]
  const other = planOf(NAMED, { ...given(request), record: recorded({ nics: elsewhere, asked: request }) })
  t.strictSame(other.lease?.nics, ['0000:03:00.0'])
})

t.test('the threads of a VM are as root has decided, whatever the profile gives now', async (t) => {
  const threads = {
    vcpus: [{ vcpu: 0, cpus: [7], policy: 'fifo' as const, priority: 1 }],
    emulator: { cpus: [0], policy: null, priority: null },
    iothreads: [],
    workers: null,
    vhost: null,
  }
  const decided = recorded({ profile: 'rt', threads, lease: { nics: [], cpus: [7] } })
  const plan = planOf(NAMED, { config: CONFIG, record: decided })
  t.match(plan, { isHooked: true, profile: 'rt', threads, affinity: [0], lease: { cpus: [7] } })
  t.match(planOf(NAMED, { config: CONFIG, record: recorded() }), { profile: null, threads: null })
  t.equal(planOf(NAMED).isHooked, false)
})
