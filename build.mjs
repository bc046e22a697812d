// Builds bin/qemu-rt, the launcher; and dist/: qemu-rt.mjs for Node, and where Bun has a binary for this machine, the
// executable that starts faster.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { build } from 'esbuild'

const BUN_PACKAGES = { x64: '@oven/bun-linux-x64-baseline', arm64: '@oven/bun-linux-aarch64' }

const COMMON = {
  define: { QEMU_RT_BUILD: JSON.stringify(buildName()) },
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
}

await writeLauncher()
rmSync('dist', { recursive: true, force: true })
await build({
  ...COMMON,
  entryPoints: { 'qemu-rt': 'src/main.ts' },
  splitting: true,
  // Libraries in CommonJS call require() for Node's own modules.
  banner: {
    js: "import { createRequire as qemuRtRequire } from 'node:module'; const require = qemuRtRequire(import.meta.url);",
  },
  legalComments: 'linked',
})

const bun = bunExecutable()
if (bun === null) console.log('Bun has no binary for this machine: the launcher will use Node')
else {
  // Bun would keep modules apart, and take a tenth longer to start. What the hook takes is not read by a launch, nor are
  // libraries that most launches do not need.
  const entryPoints = { 'qemu-rt-planner': 'src/planner.ts', 'qemu-rt-hook': 'src/planner-hook.ts' }
  await build({ ...COMMON, entryPoints, plugins: [librariesApart()] })
  const libraries = { 'qemu-rt-libraries': 'src/libraries.cts' }
  await build({ ...COMMON, entryPoints: libraries })
  const modules = Object.keys({ ...entryPoints, ...libraries }).map((name) => `dist/${name}.mjs`)
  execFileSync(
    bun,
    // The executable must not read .env or bunfig.toml of the directory that QEMU is started in.
    [
      'build',
      ...modules,
      '--compile',
      '--bytecode',
      '--format=esm',
      '--minify-syntax',
      '--no-compile-autoload-dotenv',
      '--no-compile-autoload-bunfig',
      '--outfile',
      'dist/qemu-rt-planner',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  for (const module of modules) rmSync(module)
}

/** For esbuild: has every import of src/libraries.cts lead to src/libraries-apart.ts. */
function librariesApart() {
  const path = resolve('src/libraries-apart.ts')
  return {
    name: 'libraries-apart',
    setup: ({ onResolve }) => onResolve({ filter: /\/libraries\.cjs$/ }, () => ({ path })),
  }
}

/** Fills lists of QEMU's options into the launcher. Those that it looks at by name stand in it already. */
async function writeLauncher() {
  const table = await build({ entryPoints: ['src/argv/options.ts'], format: 'esm', write: false })
  const code = Buffer.from(table.outputFiles[0].contents).toString('base64')
  const { OPTIONS } = await import(`data:text/javascript;base64,${code}`)
  const but =
    (...names) =>
    ({ name }) =>
      !names.includes(name)
  const lists = {
    'options-without-argument': OPTIONS.filter(({ takesArgument }) => !takesArgument).filter(
      but('h', 'help', 'version'),
    ),
    'options-that-print-help': OPTIONS.filter(({ help }) => help).filter(but('M', 'machine')),
  }
  const template = readFileSync('src/launcher.sh', 'utf8')
  const launcher = template.replace(/^( *)@([a-z-]+)@/gm, (_, indent, list) =>
    casePattern(lists[list], indent),
  )
  rmSync('bin/qemu-rt', { force: true })
  writeFileSync('bin/qemu-rt', launcher, { mode: 0o755 })
}

/** `-a | -b`, in lines of 120 characters. */
function casePattern(options, indent) {
  const lines = ['']
  for (const { name } of options) {
    const line = lines.at(-1)
    const longer = line === '' ? `${indent}-${name}` : `${line} | -${name}`
    if (longer.length <= 116) lines[lines.length - 1] = longer
    else lines.push(`${indent}  -${name}`)
  }
  return lines.join(' | \\\n')
}

/** The commit, with `+` when the checkout differs from it; QEMU_RT_BUILD in the environment where there is no git. */
function buildName() {
  if (process.env.QEMU_RT_BUILD) return process.env.QEMU_RT_BUILD
  try {
    const git = (...args) =>
      execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+'
    return git('rev-parse', '--short=10', 'HEAD') + changed
  } catch {
    return 'unknown'
  }
}

/** Path of Bun's executable from its npm package, if it is installed and runs here. */
function bunExecutable() {
  const name = BUN_PACKAGES[process.arch]
  if (process.platform !== 'linux' || name === undefined) return null
  try {
    const path = createRequire(import.meta.url).resolve(`${name}/bin/bun`)
    if (!existsSync(path)) return null
    execFileSync(path, ['--version'], { stdio: 'ignore' })
    return path
  } catch {
    return null
  }
}
