import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import t, { type Test } from 'tap'
import { needs, unmet } from '../e2e/needs.js'
import { plannerForms, ROOT, temporaryDirectory } from '../launcher/launcher.js'

/** The benchmark, bundled as `npm run bench` does. */
const PROGRAM = join(ROOT, 'dist/bench.mjs')
buildSync({
  absWorkingDir: ROOT,
  entryPoints: ['bench/bench.ts'],
  outfile: PROGRAM,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  logLevel: 'error',
})

const bench = (...args: string[]) => spawnSync('node', [PROGRAM, ...args], { encoding: 'utf8', cwd: ROOT })

function canMeasure(t: Test): boolean {
  if (!needs(t, ['/usr/bin/python3', '/bin/bash'])) return false
  if (process.getuid?.() !== 0) return unmet(t, 'only root may plan with a configuration of its own')
  return plannerForms().length > 1 || unmet(t, 'there is no executable of the planner')
}

t.test('a quick run prints what it writes', async (t) => {
  if (!canMeasure(t)) return
  const out = temporaryDirectory(t)
  const { stdout, stderr, status } = bench('--quick', '--only', 'launch', '--out', out)
  t.equal(stderr, '')
  t.equal(status, 0)
  t.equal(readFileSync(join(out, 'results.txt'), 'utf8'), stdout)
  const { version, quick, sections } = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'))
  t.match({ version, quick }, { version: 1, quick: true })
  t.strictSame(Object.keys(sections), ['launch'])
  const { rows } = sections.launch.figures
  t.equal(rows.length, 14)
  t.ok(rows.every(({ medianMs }: { medianMs: number }) => medianMs > 0))
})

t.test('a section that is not there is named, with those that are', async (t) => {
  t.match(bench('--only', 'lunch'), {
    status: 64,
    stdout: '',
    stderr:
      "bench: no section 'lunch'; there are: launch, after-launch, time-to-tuned, stalls, scale, virsh-start\n",
  })
})

t.test('every figure that the documentation quotes is of the run that is kept', async (t) => {
  const read = (path: string) => readFileSync(join(ROOT, 'docs', path), 'utf8')
  const kept = read('performance/results.txt').split('\n')
  const pages = [read('performance.md'), read('libvirt.md').split('## Measured')[1] ?? '']
  for (const page of pages) {
    const quoted = page.split('\n').filter((line) => line.startsWith('    ') && !line.startsWith('    npm '))
    t.ok(quoted.length >= 6)
    t.strictSame(
      quoted.map((line) => line.slice(4)).filter((line) => !kept.includes(line)),
      [],
    )
  }
  t.ok(existsSync(join(ROOT, 'docs/performance/scale.svg')))
})
