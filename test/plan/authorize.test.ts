import t from 'tap'
import { FOUR_NICS, planOf } from './make.js'

const CONFIG = `
[nic.fieldbus0]
mac = "a0:36:9f:00:00:02"
[nic.machine]
mac = "a0:36:9f:00:00:03"
domains = ["plc-*", "cell"]
[nic.flavored]
mac = "a0:36:9f:00:00:01"
domains = ["nova-*"]
flavor = "rt.*"
[profile.rt]
domains = ["plc-*"]
[profile.any]
[[domain]]
name = "roots"
nics = ["machine", "ens1f0"]
profile = "rt"
`
const ASKED = { profile: null, nics: null, flavor: null, instance: null }

/** What a domain gets: the NICs, or the error. */
function domain(name: string, args: readonly string[], asked: Partial<typeof ASKED> | object = {}) {
  return plan('emulator', name, args, asked)
}

function plan(entry: 'run' | 'emulator', name: string, args: readonly string[], asked: object = {}) {
  return planOf(['-name', name, ...args], {
    entry,
    config: CONFIG,
    pci: FOUR_NICS,
    asked: { ...ASKED, ...asked },
  }).nics.map(({ address }) => address)
}

t.test('a person may name an interface, an altname or a MAC; a domain may not', (t) => {
  for (const name of ['ens1f0', 'ens1f0alt', 'a0:36:9f:00:00:00']) {
    t.strictSame(plan('run', 'vm', ['--rt-nic', name]), ['0000:03:00.0'], name)
    const ways: [string, readonly string[], object][] = [
      ['a flag', ['--rt-nic', name], {}],
      ['metadata', [], { nics: { add: [name] } }],
      ['a device', ['-device', `vfio-pci,host=nic:${name}`], {}],
      [
        'metadata for a device',
        ['-device', 'vfio-pci,host=0000:03:00.1,id=h'],
        { nics: { replace: { h: name } } },
      ],
    ]
    for (const [way, args, asked] of ways) {
      t.throws(
        () => domain('vm', args, asked),
        {
          message:
            /^NIC '.*' is not in the configuration: qemu-rt\.toml; .*root permits it with an entry \[nic\.NAME\]$/,
          exitCode: 69,
        },
        `${name} by ${way}`,
      )
    }
  }
  t.end()
})

t.test('what is configured is given to any domain, or to those that the entry names', (t) => {
  t.strictSame(domain('vm', ['--rt-nic', 'fieldbus0']), ['0000:03:00.2'])
  t.strictSame(domain('plc-1', ['--rt-nic', 'machine']), ['0000:03:00.3'])
  t.strictSame(domain('cell', [], { nics: { add: ['machine'] } }), ['0000:03:00.3'])
  t.throws(() => domain('vm', ['--rt-nic', 'machine']), {
    message:
      "NIC 'machine' is not for domain 'vm': qemu-rt.toml:4; root permits it by domains and flavor there, or gives it by a " +
      '[[domain]]',
    exitCode: 77,
  })
  t.strictSame(plan('run', 'vm', ['--rt-nic', 'machine']), ['0000:03:00.3'], 'a person may')
  t.end()
})

t.test('name and flavor must both match', (t) => {
  const nics = { add: ['flavored'] }
  t.strictSame(domain('nova-1', [], { nics, flavor: 'rt.1' }), ['0000:03:00.1'])
  const refused: [string, string | null][] = [
    ['nova-1', 'm1.small'],
    ['nova-1', null],
    ['vm', 'rt.1'],
  ]
  for (const [name, flavor] of refused) {
    t.throws(() => domain(name, [], { nics, flavor }), { message: /qemu-rt\.toml:7/, exitCode: 77 })
  }
  t.end()
})

t.test('a profile, too', (t) => {
  t.strictSame(domain('plc-1', ['--rt-profile', 'rt']), [])
  t.strictSame(domain('vm', ['--rt-profile', 'any']), [])
  for (const [args, asked] of [
    [['--rt-profile', 'rt'], {}],
    [[], { profile: 'rt' }],
  ] as const) {
    t.throws(() => domain('vm', args, asked), {
      message: /^profile 'rt' is not for domain 'vm': qemu-rt\.toml:11; /,
      exitCode: 77,
    })
  }
  t.end()
})

t.test("what a [[domain]] gives is root's own word", (t) => {
  const both = ['0000:03:00.3', '0000:03:00.0']
  t.strictSame(domain('roots', []), both)
  t.strictSame(domain('roots', ['--rt-profile', 'rt'], { nics: { add: ['machine', 'ens1f0'] } }), both)
  t.throws(() => domain('roots', ['--rt-nic', 'ens1f1']), { message: /'ens1f1'/, exitCode: 69 })
  t.end()
})
