// A cloud of Debian 12's OpenStack whose compute node is the lab's: npm run lab -- --nova (see docs/lab.md). It makes a root with
// the packages, and runs control.sh in there, in a network of its own. Takes the options of lab.mjs that come after --nova.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ExecaError } from 'execa'
import { makeDirectory } from '../../../matrix/directory.js'
import { environment } from '../../../matrix/environment.js'
import { executeWith, NAMESPACES } from '../../../matrix/execute.js'
import { takeLock } from '../../../matrix/lock.js'
import { isInstalled, readPackages } from '../../../matrix/packages.js'
import type { RootPlan } from '../../../matrix/releases.js'
import { RootError, rootOf } from '../../../matrix/root.js'

const MIRROR = 'http://deb.debian.org/debian'
/** With the roots of `npm run matrix`. */
const DIRECTORY = '/var/cache/qemu-rt-matrix'
const ROOT: RootPlan = { name: 'nova', suite: 'bookworm', packages: [], registry: null, rolling: false }
/** Where the project is in the root. */
const INSIDE = '/src/qemu-rt'

process.exitCode = await main(process.argv.slice(2))

/** @returns the exit code: 0 when every test has passed */
async function main(args: readonly string[]): Promise<number> {
  if (process.geteuid?.() !== 0) return refuse(77, 'it makes a root and mounts it: run it as root')
  const missing = ['mmdebstrap', 'unshare', 'tar'].filter((program) => !isInstalled(program))
  if (missing.length > 0)
    return refuse(69, `not installed: ${missing.join(', ')}; apt install mmdebstrap util-linux tar`)
  const unsafe = makeDirectory(DIRECTORY)
  if (unsafe !== null) return refuse(77, unsafe)
  if (!(await takeLock(join(DIRECTORY, 'lock'))))
    return refuse(69, `another run, or npm run matrix, uses ${DIRECTORY}; wait for it`)
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort(signal))
  try {
    return await run(args, abort.signal)
  } catch (error) {
    if (abort.signal.aborted) return refuse(130, 'interrupted')
    if (error instanceof RootError) return refuse(69, `the root could not be made: ${error.message}`)
    if (error instanceof ExecaError && error.exitCode !== undefined) return error.exitCode
    throw error
  }
}

async function run(args: readonly string[], signal: AbortSignal): Promise<number> {
  // dist/ is beside test/.
  const project = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
  const surroundings = environment()
  const outside = executeWith(signal, surroundings)
  const packages = readPackages(join(project, 'test/lab/nova/packages'))
  console.log('# its root, which takes minutes when it is made anew')
  const root = await rootOf(
    ROOT,
    { directory: DIRECTORY, mirror: MIRROR, packages },
    { execute: outside, fresh: false },
  )
  const kept = join(project, '.lab/nova')
  mkdirSync(kept, { recursive: true })
  const enter = async (
    namespaces: readonly string[],
    execute: typeof outside,
    command: readonly string[],
  ) => {
    const scratch = mkdtempSync(join(DIRECTORY, 'scratch-'))
    try {
      await execute('unshare', [
        ...[...NAMESPACES, '--uts', ...namespaces, '--'],
        ...[join(project, 'matrix/enter.sh'), root, scratch],
        ...[`${project}=${INSIDE}`, `${kept}=${INSIDE}/.lab`, '--', ...command],
      ])
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
  }
  // Only here is there a way to Debian's mirror.
  await enter([], outside, ['node', `${INSIDE}/test/lab/lab.mjs`, '--fetch'])
  const { PATH = '', HOME = '', TERM = 'dumb' } = surroundings
  const inside = executeWith(signal, { PATH, HOME, TERM, LANG: 'C.UTF-8' })
  await enter(['--net'], inside, [`${INSIDE}/test/lab/nova/control.sh`, ...args])
  return 0
}

function refuse(exitCode: number, message: string): number {
  process.stderr.write(`lab: ${message}\n`)
  return exitCode
}
