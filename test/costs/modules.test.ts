import { build, type Metafile } from 'esbuild'
import t from 'tap'
import { ROOT } from '../launcher/launcher.js'

interface Modules {
  /** Those that come with the entry, without the chunks that are imported when asked for. */
  readonly atOnce: readonly string[]
  readonly all: readonly string[]
  /** Libraries that modules of the project import, rather than require on demand. */
  readonly imports: readonly string[]
  /** Modules of Node's own that anything imports. */
  readonly ofNode: readonly string[]
}

/** What an entry is made of. */
async function modulesOf(entry: string): Promise<Modules> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    outdir: 'dist',
    write: false,
    metafile: true,
    logLevel: 'silent',
  })
  const [first] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === entry) ?? []
  if (first === undefined) throw new Error(`${entry} was not bundled`)
  const inputs = (outputs: readonly string[]) =>
    outputs.flatMap((path) => Object.keys(metafile.outputs[path]?.inputs ?? {})).sort()
  const imports = Object.entries(metafile.inputs)
    .filter(([path]) => path.startsWith('src/'))
    .flatMap(([, input]) =>
      input.imports
        .filter(({ kind, path: to }) => kind === 'import-statement' && to.startsWith('node_modules/'))
        .map(({ original = '' }) => original),
    )
  const ofNode = Object.values(metafile.inputs).flatMap(({ imports }) =>
    imports
      .filter(({ kind, external }) => kind === 'import-statement' && external === true)
      .map(({ path }) => path),
  )
  return {
    atOnce: inputs(statically(metafile, first)),
    all: Object.keys(metafile.inputs).sort(),
    imports,
    ofNode: [...new Set(ofNode)].sort(),
  }
}

function statically(metafile: Metafile, output: string, seen = new Set<string>()): string[] {
  if (seen.has(output)) return []
  seen.add(output)
  const imports = metafile.outputs[output]?.imports ?? []
  const next = imports.filter(({ kind, external }) => kind === 'import-statement' && external !== true)
  return [output, ...next.flatMap(({ path }) => statically(metafile, path, seen))]
}

const libraries = (modules: readonly string[]) => [
  ...new Set(modules.flatMap((path) => /^node_modules\/([^/]+)\//.exec(path)?.[1] ?? [])),
]

const folders = (modules: readonly string[]) => [
  ...new Set(modules.flatMap((path) => /^src\/([^/]+)\//.exec(path)?.[1] ?? [])),
]

/** Evaluated when they are first needed, since src/libraries.cts requires them in functions. */
const ON_DEMAND = ['eslint-visitor-keys', 'fastest-levenshtein', 'toml-eslint-parser', 'yargs-parser']

for (const entry of ['src/planner.ts', 'src/main.ts']) {
  t.test(`${entry}: a launch evaluates no library, and only what it may need of the project`, async (t) => {
    const { atOnce } = await modulesOf(entry)
    t.strictSame(
      libraries(atOnce).filter((library) => !ON_DEMAND.includes(library)),
      [],
    )
    t.strictSame(folders(atOnce).sort(), [
      'argv',
      'checks',
      'config',
      'emulator',
      'errors',
      'host',
      'launch',
      'plan',
      'record',
      'report',
      'units',
    ])
    const own = atOnce.filter((path) => path.startsWith('src/'))
    // A launch that refuses a NIC says what the host uses it for: nine small modules, which open nothing before. One that
    // finds none says why, and proposes no NIC in use: three more; and one tells whether a saved NIC is the same.
    // Two know the objects that have a thread of their own, whose CPUs the command line gives. How QEMU reads an integer is one.
    // Which CPUs a VM gets is told by partitions, kinds of cores, the guest's nodes and where its memory is, and why it gets
    // none or shares a core: eight. What a host lacks is judged as `host check` judges it, without its table: six small modules
    // and the words of their fixes, with four of the kernel's abilities and of findings, and one of warnings.
    // One reads what the kernel's own threads run at, when a vCPU is real-time. Where interrupts of devices go is one, whether a program can be run is one, and which slots are free for an added NIC is one.
    t.strictSame(
      own.filter((path) => path.startsWith('src/checks/') && !path.startsWith('src/checks/judge/')),
      ['src/checks/fixes.ts'],
      'judgements, not the table',
    )
    t.ok(own.length <= 164, `${own.length} modules of the project`)
    for (const later of ['src/config/parse.ts', 'src/tune/run.ts', 'src/commands/cli.ts']) {
      t.notOk(atOnce.includes(later), later)
    }
  })
}

t.test('what the executable starts with holds the launch and the tuner, and no command', async (t) => {
  const { all, imports, ofNode } = await modulesOf('src/planner.ts')
  // Each of them is set up before the first line runs: node:zlib would take 2 ms.
  t.strictSame(ofNode, ['node:buffer', 'node:fs'])
  // Both of them in the configuration's schema alone, which is a chunk of its own.
  t.strictSame([...new Set(imports)].sort(), ['smol-toml', 'valibot'])
  t.strictSame(libraries(all).sort(), [...ON_DEMAND, 'smol-toml', 'valibot'].sort())
  for (const other of ['commands', 'libvirt', 'status', 'jitter', 'golden', 'capture', 'bind']) {
    t.notOk(folders(all).includes(other), other)
  }
})

t.test(
  "the hook's part of it has a library for XML besides, and none that parses command lines",
  async (t) => {
    const { atOnce, imports } = await modulesOf('src/planner-hook.ts')
    t.strictSame([...new Set(imports)].sort(), ['fast-xml-parser', 'smol-toml', 'valibot'])
    for (const later of ['src/config/parse.ts', 'src/commands/cli.ts']) t.notOk(atOnce.includes(later), later)
  },
)
