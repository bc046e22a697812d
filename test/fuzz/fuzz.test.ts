import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import t from 'tap'
import { ROOT } from '../launcher/launcher.js'

/** The fuzzer, bundled as `npm run fuzz` does; in a place of its own, since one may run. */
const PROGRAM = join(ROOT, 'dist/fuzz-test.mjs')
mkdirSync(join(ROOT, 'dist'), { recursive: true })
buildSync({
  absWorkingDir: ROOT,
  entryPoints: ['fuzz/fuzz.ts'],
  outfile: PROGRAM,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  banner: {
    js: "import { createRequire as qemuRtRequire } from 'node:module'; const require = qemuRtRequire(import.meta.url);",
  },
  logLevel: 'error',
})

const fuzz = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  spawnSync('node', [PROGRAM, ...args], { encoding: 'utf8', cwd: ROOT, env: { ...process.env, ...env } })

t.test('the same inputs as ever, some of each target', async (t) => {
  const { stdout, stderr, status } = fuzz(['--runs', '1500', '--seed', '14'])
  t.equal(stderr, '')
  t.match(stdout, /^seed 14: 16500 inputs in [\d.]+ s, no faults$/m)
  t.equal(status, 0, stdout)
})

t.test('a fault of each kind is found, made small, and shown so that it can be had again', async (t) => {
  const planted = ['planted-crash', 'planted-fault', 'planted-control', 'planted-lines', 'planted-slow']
  const only = (names: readonly string[]) => names.flatMap((name) => ['--only', name])
  const { stdout, status } = fuzz(['--runs', '3000', '--seed', '1', ...only(planted)], {
    QEMU_RT_FUZZ_PLANTED: '1',
  })
  t.equal(status, 1)
  t.match(stdout, / {2}FAULT: TypeError: planted .*\n {4}"\\u0000"\n/)
  t.match(stdout, / {2}FAULT: Fault: planted\n {4}"8192"\n/)
  t.match(stdout, / {2}FAULT: a terminal would obey this: .*\n {4}"\\u009b"\n/)
  t.match(stdout, / {2}FAULT: this is not one line: .*\n {4}"\\u202e"\n/)
  // It is made smaller for ten seconds, which on a busy machine is not to the end.
  t.match(stdout, / {2}FAULT: takes \d+ ms, at most 250\n {4}".*\{\{.*"\n/)
  t.match(stdout, /\d+ inputs in [\d.]+ s, 5 faults\n$/)
  const [again = ''] = /--seed 1 --only planted-crash --from \d+ --runs 1/.exec(stdout) ?? []
  t.match(fuzz(again.split(' '), { QEMU_RT_FUZZ_PLANTED: '1' }), { status: 1, stdout: /1 inputs in/ })
})

t.test('what is not understood is told', async (t) => {
  t.match(fuzz(['--only', 'x']), {
    status: 64,
    stdout: '',
    stderr: /^fuzz: no target 'x'; there are: command-lines, /,
  })
  t.match(fuzz(['--runs', 'x']), { status: 64, stderr: "fuzz: --runs takes a whole number, not 'x'\n" })
})
