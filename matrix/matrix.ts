// The suite and the lab on several Debian releases, each in a root of its own: npm run matrix [-- [options] RELEASE…]. See HELP.
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ExecaError, execaSync } from 'execa'
import { printable } from '../src/units/printable.js'
import { cgroups, removeNewCgroups } from './cgroups.js'
import { makeDirectory } from './directory.js'
import { environment } from './environment.js'
import { type Execute, executeWith, NAMESPACES } from './execute.js'
import { takeLock } from './lock.js'
import { isInstalled, readPackages } from './packages.js'
import { RELEASES, type Release } from './releases.js'
import { failures, labFailures, type Result, readResult, skipReasons } from './results.js'
import { RootError, rootOf } from './root.js'
import { type Row, textTable, withRows } from './table.js'

const HELP = `npm run matrix [-- [options] RELEASE…]

Runs the suite (npm ci, build, tap) and the lab in a fresh root of each release, and prints a table.
Releases: ${RELEASES.map(({ name }) => name).join(', ')} (default: all)

  --part suite|lab   only one of the two
  --quick            of the suite only what runs programs of the release: QEMU, libvirt, DPDK, shells, the installation
  --shell            a shell in the first release's root instead
  --fresh            makes the roots anew
  --write            writes the rows into docs/tested.md
  --mirror URL       Debian's mirror (default: http://deb.debian.org/debian)
  --directory DIR    where roots, logs and kernels are kept (default: /var/cache/qemu-rt-matrix)

Exit code: 0 every test passed, 1 one failed, 64 usage, 69 something is not installed or another run is there, 75 only the root of a release that
changes every day could not be made, 77 not root, or a directory that is not root's alone.
`

/** Minutes that a part may take, about three times what it takes on two CPUs: one that hangs leaves CI time for the others. */
const LIMIT_MINUTES = { suite: 40, lab: 25 }
const PARTS = ['suite', 'lab'] as const
type Part = (typeof PARTS)[number]

/** The suite's tests that --quick runs: about half of its time. */
const QUICK_TESTS = ['e2e', 'install', 'launcher'].map((room) => `test/${room}/**/*.test.ts`)

interface Settings {
  readonly releases: readonly Release[]
  readonly parts: readonly Part[]
  readonly quick: boolean
  readonly shell: boolean
  readonly fresh: boolean
  readonly write: boolean
  readonly mirror: string
  readonly directory: string
}

const TESTED = 'docs/tested.md'

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const settings = readSettings(args)
  if (typeof settings === 'string') {
    process.stderr.write(`matrix: ${settings}\n`)
    return 64
  }
  if (settings === null) {
    process.stdout.write(HELP)
    return 0
  }
  if (process.geteuid?.() !== 0) {
    process.stderr.write('matrix: it makes roots and mounts them: run it as root\n')
    return 77
  }
  const missing = ['mmdebstrap', 'unshare', 'git', 'tar'].filter((program) => !isInstalled(program))
  if (missing.length > 0) {
    process.stderr.write(
      `matrix: not installed: ${missing.join(', ')}; apt install mmdebstrap util-linux git tar\n`,
    )
    return 69
  }
  const abort = new AbortController()
  // Not once: execa lets a signal end the process when nobody else listens.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort(signal))
  return await run(settings, abort.signal)
}

async function run(settings: Settings, signal: AbortSignal): Promise<number> {
  const { directory, fresh, releases } = settings
  const unsafe = makeDirectory(directory)
  if (unsafe !== null) {
    process.stderr.write(`matrix: ${unsafe}\n`)
    return 77
  }
  if (!(await takeLock(join(directory, 'lock')))) {
    process.stderr.write(
      `matrix: another run uses ${directory}; wait for it, or give a --directory of your own\n`,
    )
    return 69
  }
  // Left by a run that was killed.
  for (const name of readdirSync(directory).filter((one) => one.startsWith('scratch-')))
    rmSync(join(directory, name), { recursive: true, force: true })
  const execute = executeWith(signal, environment())
  const packages = readPackages('.ci/packages')
  const rows: Row[] = []
  const notMade: Release[] = []
  for (const release of releases) {
    try {
      say(release, 'its root')
      const root = await rootOf(release, { ...settings, packages }, { execute, fresh })
      const row = await runIn(root, release, settings, execute)
      if (row === null) return 0
      rows.push(row)
    } catch (error) {
      if (signal.aborted) {
        process.stderr.write('matrix: interrupted\n')
        return 130
      }
      if (!(error instanceof RootError)) throw error
      process.stderr.write(`matrix: ${release.title}: its root could not be made: ${error.message}\n`)
      notMade.push(release)
    }
  }
  process.stdout.write(`\n${textTable(rows)}`)
  for (const { title } of notMade)
    process.stdout.write(`${title}: not run, its root could not be made (see above)\n`)
  if (settings.write) writeFileSync(TESTED, withRows(readFileSync(TESTED, 'utf8'), rows))
  const passed = total(rows, 'passed')
  const failed = total(rows, 'failed') + notMade.filter(({ rolling }) => !rolling).length
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  if (failed > 0) return 1
  return notMade.length > 0 ? 75 : 0
}

/** @returns null after a shell */
async function runIn(
  root: string,
  release: Release,
  settings: Settings,
  execute: Execute,
): Promise<Row | null> {
  const { directory, parts, quick, shell } = settings
  const scratch = mkdtempSync(join(directory, 'scratch-'))
  const results = join(directory, 'results', release.name)
  const lab = join(directory, 'lab', release.name)
  const npm = join(directory, 'npm')
  const groups = cgroups()
  try {
    rmSync(results, { recursive: true, force: true })
    for (const path of [results, lab, npm]) mkdirSync(path, { recursive: true })
    const source = copyProject(scratch)
    const inside = (what: string, minutes: number, args: readonly string[] = []) =>
      execute(
        'unshare',
        [
          ...[...NAMESPACES, '--uts', '--'],
          ...[join(source, 'matrix/enter.sh'), root, scratch, `${source}=/src/qemu-rt`],
          ...[`${results}=/results`, `${lab}=/src/qemu-rt/.lab`, `${npm}=/root/.npm`, '--'],
          ...['/src/qemu-rt/matrix/inside.sh', what, ...args],
        ],
        { timeout: minutes * 60_000 },
      )
    if (shell) {
      await inside('shell', 0)
      return null
    }
    await inside('facts', 1)
    const argsOf = { suite: quick ? QUICK_TESTS : [], lab: release.labParts }
    for (const part of parts) {
      say(release, part)
      await withinLimit(inside(part, LIMIT_MINUTES[part], argsOf[part]), part, results)
      print(release, results, part)
    }
    const { result, log } = readResults(results)
    return { title: release.title, result, reasons: skipReasons(log) }
  } finally {
    removeNewCgroups(groups)
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** A part that takes too long has failed, and says so where its counts would be. */
async function withinLimit(part: Promise<void>, name: Part, results: string): Promise<void> {
  try {
    await part
  } catch (error) {
    if (!(error instanceof ExecaError) || !error.timedOut) throw error
    const limit = `${LIMIT_MINUTES[name]} minutes`
    appendFileSync(join(results, 'facts'), `${name}-status=124\n`)
    appendFileSync(join(results, `${name}.log`), `matrix: ended after ${limit}\n`)
  }
}

/** The part's counts, and its failures with the log's place. */
function print(release: Release, results: string, part: Part): void {
  const { result, log, labLog } = readResults(results)
  const counts = result[part]
  say(release, `${part}: ${counts?.passed ?? 0} passed, ${counts?.failed ?? 1} failed`)
  if (counts?.failed === 0) return
  const found = part === 'suite' ? failures(log) : labFailures(labLog)
  // What a test prints may have what a terminal obeys.
  for (const line of found) process.stdout.write(`    not ok - ${printable(line)}\n`)
  process.stdout.write(`    the log is ${join(results, `${part}.log`)}; its end:\n`)
  const end = (part === 'suite' ? log : labLog).trimEnd().split('\n').slice(-15)
  for (const line of end) process.stdout.write(`    | ${printable(line)}\n`)
}

function readResults(results: string): { result: Result; log: string; labLog: string } {
  const text = (name: string) => {
    const path = join(results, name)
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }
  return { result: readResult(text('facts')), log: text('suite.log'), labLog: text('lab.log') }
}

/** Copies what git knows of, or would add. @returns the copy's path */
function copyProject(scratch: string): string {
  const source = join(scratch, 'source')
  mkdirSync(source)
  const { stdout } = execaSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
  // Links count that lead nowhere, as a captured host has them; a file that was removed and not committed does not.
  const files = stdout.split('\0').filter((file) => file !== '' && lstatSync(file, { throwIfNoEntry: false }))
  const archive = execaSync('tar', ['--create', '--null', '--files-from=-', '--owner=0', '--group=0'], {
    input: files.join('\0'),
    encoding: 'buffer',
    maxBuffer: 2 ** 30,
  })
  execaSync('tar', ['--extract', '--directory', source], { input: archive.stdout })
  return source
}

function say({ title }: Release, what: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${title}: ${what}\n`)
}

function total(rows: readonly Row[], count: 'passed' | 'failed'): number {
  return rows.reduce(
    (sum, { result: { suite, lab } }) => sum + (suite?.[count] ?? 0) + (lab?.[count] ?? 0),
    0,
  )
}

/** @returns what to do, a message for a mistake, or null for help */
function readSettings(args: readonly string[]): Settings | string | null {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        part: { type: 'string' },
        quick: { type: 'boolean', default: false },
        shell: { type: 'boolean', default: false },
        fresh: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        mirror: { type: 'string', default: 'http://deb.debian.org/debian' },
        directory: { type: 'string', default: '/var/cache/qemu-rt-matrix' },
      },
    })
    if (values.help) return null
    const unknown = positionals.find((name) => !RELEASES.some((release) => release.name === name))
    const names = RELEASES.map(({ name }) => name).join(', ')
    if (unknown !== undefined) return `no release '${unknown}'; there are ${names}`
    const part = PARTS.find((one) => one === values.part)
    if (values.part !== undefined && part === undefined)
      return `--part is ${PARTS.join(' or ')}, not '${values.part}'`
    const { quick, shell, fresh, write, mirror, directory } = values
    if (quick && write) return '--write is for the whole suite: without --quick'
    const releases = RELEASES.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
    const parts = part === undefined ? PARTS : [part]
    return { releases, parts, quick, shell, fresh, write, mirror, directory }
  } catch (error) {
    return `${error instanceof Error ? error.message : error}; see --help`
  }
}
