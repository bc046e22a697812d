import fc from 'fast-check'
import { stringify } from 'smol-toml'
import t from 'tap'
import { parsePolicy } from '../../src/config/parse.js'
import { lineFinder } from '../../src/config/place.js'

type Path = (string | number)[]

const TOML = `
nic.a.mac = "x"

[profile.rt]
vcpus = { cpus = "auto", policy = "fifo" }
emulator.cpus = "0"
iothreads = { "io 1" = {
  cpus = "3" } }

[profile.'b c'.vcpus]

[[domain]]
name = """
two
lines"""
nics = [
  "a",
  "b",
]

[[domain]]
[domain.nics]
hostdev0 = "a"
`

const PLACES: readonly [Path, number | null][] = [
  [['nic', 'a', 'mac'], 2],
  [['nic'], 2],
  [['profile', 'rt'], 4],
  [['profile', 'rt', 'vcpus', 'policy'], 5],
  [['profile', 'rt', 'emulator', 'cpus'], 6],
  [['profile', 'rt', 'iothreads', 'io 1', 'cpus'], 8],
  [['profile', 'b c'], 10],
  [['domain'], 12],
  [['domain', 0], 12],
  [['domain', 0, 'nics'], 16],
  [['domain', 0, 'nics', 1], 18],
  [['domain', 1], 21],
  [['domain', 1, 'nics', 'hostdev0'], 23],
  // What is not there: the nearest table around it.
  [['domain', 1, 'nics', 'hostdev9'], 22],
  [['domain', 1, 'name'], 21],
  [['profile', 'rt', 'vcpus', 'priority', 'x'], 5],
  [['nic', 'b'], 2],
  [['rule', 0], null],
  [[], null],
]

for (const [path, line] of PLACES) {
  t.test(`the line of ${JSON.stringify(path)}`, async (t) => {
    t.equal(lineFinder(TOML)(path), line)
  })
}

t.test('a table that stands below its own subtable has its own line', async (t) => {
  t.equal(lineFinder('[host.x]\n\n[host]\n')(['host']), 3)
})

t.test('text that the second parser does not take has no lines', async (t) => {
  t.equal(lineFinder('a =')(['a']), null)
})

t.test('a place is the file and the line, or the file alone', async (t) => {
  const { place } = parsePolicy('\n[nic.a]\nslot = "1"', '/etc/q.toml')
  t.equal(place(['nic', 'a', 'slot']), '/etc/q.toml:3')
  t.equal(place(['nic', 'a', 'mac']), '/etc/q.toml:2')
  t.equal(place(['rule', 0]), '/etc/q.toml')
  t.equal(place([]), '/etc/q.toml')
})

t.test('every key of a generated file is on the line that its place names', async () => {
  // Keys are numbered, so that each is in one line only; some need quotes.
  const tree = fc.letrec<{ table: Template; value: Template }>((tie) => ({
    table: fc
      .array(tie('value'), { minLength: 1, maxLength: 4 })
      .map((children) => ({ kind: 'table', children })),
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<Template>({ kind: 'text' }, { kind: 'lines' }, { kind: 'list' }),
      tie('table'),
      fc
        .array(tie('table'), { minLength: 1, maxLength: 3 })
        .map((children): Template => ({ kind: 'tables', children })),
    ),
  })).table
  fc.assert(
    fc.property(tree, (template) => {
      const { value, paths } = build(template)
      const toml = stringify(value as Record<string, unknown>)
      const lineOf = lineFinder(toml)
      const lines = toml.split('\n')
      for (const path of paths) {
        const line = lines[(lineOf(path) ?? 0) - 1] ?? ''
        if (!line.includes(String(path.at(-1))))
          throw new Error(`${JSON.stringify(path)} is not in ${line}\n${toml}`)
      }
    }),
    { numRuns: 200 },
  )
})

interface Template {
  readonly kind: 'table' | 'tables' | 'text' | 'lines' | 'list'
  readonly children?: readonly Template[]
}

/** Gives every key of a tree of tables a name of its own, and lists their paths. */
function build(template: Template): { value: unknown; paths: Path[] } {
  const paths: Path[] = []
  const visit = ({ kind, children = [] }: Template, at: Path): unknown => {
    if (kind === 'text') return 'text # = [x]'
    if (kind === 'lines') return 'two\n[lines]\nk = 1'
    if (kind === 'list') return ['a', 'b']
    if (kind === 'tables') return children.map((child, index) => visit(child, [...at, index]))
    return Object.fromEntries(
      children.map((child) => {
        const number = paths.length
        const key = `${['key', 'key with blank ', 'key.dot'][number % 3]}-${number}-`
        paths.push([...at, key])
        return [key, visit(child, [...at, key])]
      }),
    )
  }
  return { value: visit(template, []), paths }
}
