import t from 'tap'
import { formatHookRequest, type HookRequest, parseHookRequest } from '../../src/record/hook-request.js'
import { address, argv, FOUR_NICS, NAMED, planOf } from '../plan/make.js'

const UUID = 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'

const hooked = (facts: Partial<HookRequest> = {}): HookRequest => ({
  uuid: UUID,
  guest: 'vm',
  profile: null,
  nics: null,
  flavor: null,
  instance: null,
  assigned: [],
  taken: [],
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

const given = (hook: HookRequest, config = '', options: string[] = []) => ({
  config: CONFIG + config,
  pci: FOUR_NICS,
  hook,
  options,
})

t.test(
  'what the domain asks for in its metadata is planned like a [[domain]] of the configuration',
  async (t) => {
    const add = planOf(NAMED, given(hooked({ nics: { add: ['fieldbus0'] } })))
    t.strictSame(argv(add).slice(2), ['-device', 'vfio-pci,host=0000:03:00.2'])
    const device = ['-device', 'vfio-pci,host=0000:03:00.0,id=hostdev0']
    const replaced = planOf(
      [...NAMED, ...device],
      given(hooked({ nics: { replace: { hostdev0: 'fieldbus0' } } })),
    )
    t.strictSame(argv(replaced).slice(2), ['-device', 'vfio-pci,host=0000:03:00.2,id=hostdev0'])
    t.throws(() => planOf(NAMED, given(hooked({ nics: { replace: { hostdev9: 'fieldbus0' } } }))), {
      message:
        "no vfio-pci device with id 'hostdev9' to put NIC 'fieldbus0' in: <metadata> of the domain's XML; there is none; " +
        'name one of these, or write <nic name="fieldbus0"/> to add it',
    })
  },
)

t.test('a flag beats the metadata, which beats the configuration', async (t) => {
  const config = '[[domain]]\nname = "vm"\nprofile = "plain"\nnics = ["any"]'
  const hook = hooked({ profile: 'rt' })
  t.equal(planOf(NAMED, given(hooked(), config)).profile, 'plain')
  t.equal(planOf(NAMED, given(hook, config)).profile, 'rt')
  t.equal(planOf(NAMED, given(hook, config, ['--profile', 'plain'])).profile, 'plain')
  t.equal(planOf(NAMED, given(hook, config)).nics.length, 1, 'NICs are still those of [[domain]]')
  t.strictSame(planOf(NAMED, given(hooked({ nics: { add: [] } }), config)).nics, [], 'none is asked for')
  t.throws(() => planOf(NAMED, given(hooked({ profile: 'rtt' }))), { message: /'rtt'.*did you mean 'rt'/ })
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
  const profileOf = (facts: Partial<HookRequest>) => planOf(NAMED, given(hooked(facts), config)).profile
  t.equal(profileOf({ flavor: 'rt.large', instance: 'plc-1' }), 'rt')
  t.equal(profileOf({ flavor: 'rt.large', instance: 'web' }), 'plain')
  t.equal(profileOf({ flavor: 'rt.large' }), 'plain')
  t.equal(profileOf({}), null, 'not even * is one of a VM that Nova did not make')
  t.strictSame(planOf(NAMED, given(hooked(), config)).warnings, [])
  t.strictSame(planOf(NAMED, { config: CONFIG + config }).warnings, [
    "[[domain]] 1 of qemu-rt.toml selects by flavor, which only libvirt's hook can tell; passed over",
    "[[domain]] 2 of qemu-rt.toml selects by flavor, which only libvirt's hook can tell; passed over",
  ])
})

t.test('of a pool the VM gets the device that the hook has got ready', async (t) => {
  const assigned = [{ name: 'any', address: address('0000:03:00.3') }]
  const plan = planOf(NAMED, given(hooked({ nics: { add: ['any'] }, assigned })))
  t.strictSame(plan.lease?.nics, ['0000:03:00.3'])
  const elsewhere = [{ name: 'other', address: address('0000:03:00.3') }]
  const other = planOf(NAMED, given(hooked({ nics: { add: ['any'] }, assigned: elsewhere })))
  t.strictSame(other.lease?.nics, ['0000:03:00.0'])
})

t.test('the threads of a VM that the hook knows are left to it', async (t) => {
  t.equal(planOf(NAMED, given(hooked())).isHooked, true)
  t.equal(planOf(NAMED).isHooked, false)
})

t.test('a request is read as it was written, and nothing else for one', async (t) => {
  const request = hooked({
    profile: 'rt',
    nics: { replace: { hostdev0: 'fieldbus0' } },
    flavor: 'rt.large',
    instance: 'plc "1"\n',
    assigned: [{ name: 'fieldbus0', address: address('0000:03:00.2') }],
    taken: [
      { address: address('0000:03:00.2'), driver: 'igb', node: { path: '/dev/vfio/3', uid: 0 } },
      { address: address('0000:03:00.3'), driver: null },
      { address: address('0000:03:00.1'), node: { path: '/dev/vfio/4', uid: 5 } },
    ],
  })
  t.strictSame(parseHookRequest(formatHookRequest(request)), request)
  t.strictSame(
    parseHookRequest(formatHookRequest(hooked({ nics: { add: ['a'] } }))),
    hooked({ nics: { add: ['a'] } }),
  )
  for (const text of ['', 'null', '[]', '{}', '{"version":2,"uuid":"x"}', '{"version":1}']) {
    t.equal(parseHookRequest(text), null, text)
  }
  const odd =
    '{"version":1,"uuid":"x","nics":7,"assigned":[{"name":"a","address":"zz"}],"taken":[{"address":5},7]}'
  t.match(parseHookRequest(odd), { uuid: 'x', nics: null, assigned: [], taken: [] })
})
