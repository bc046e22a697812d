import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname, posix } from 'node:path'
import t from 'tap'
import { HOSTS } from '../../fixtures/make-hosts/hosts.js'
import type { Tree } from '../../fixtures/make-hosts/tree.js'
import { filesBeneath } from '../files.js'

/** Hosts that `qemu-rt capture` has written: real ones. */
const CAPTURED = ['lab-node']

/** Reads a directory tree, links unfollowed. */
function readTree(directory: string): Tree {
  return new Map(
    filesBeneath(directory).map(({ path, entry }) => {
      const content = entry.isSymbolicLink()
        ? { kind: 'link' as const, target: readlinkSync(path) }
        : { kind: 'file' as const, content: readFileSync(path) }
      return [path.slice(directory.length), content]
    }),
  )
}

/** One comparable line for each entry. */
function lines(tree: Tree): string[] {
  return [...tree]
    .map(([path, entry]) =>
      entry.kind === 'link'
        ? `${path} -> ${entry.target}`
        : `${path} ${Buffer.from(entry.content).toString('latin1')}`,
    )
    .sort()
}

t.test('the sample hosts are what fixtures/make-hosts.ts writes', async (t) => {
  t.strictSame(readdirSync('fixtures/hosts').sort(), [...Object.keys(HOSTS), ...CAPTURED].sort())
  for (const [name, tree] of Object.entries(HOSTS))
    t.strictSame(lines(readTree(`fixtures/hosts/${name}`)), lines(tree), name)
})

t.test('links in the sample hosts stay within them and lead somewhere', async (t) => {
  for (const [name, tree] of Object.entries(HOSTS)) {
    const paths = [...tree.keys()]
    const lost = [...tree].flatMap(([path, entry]) => {
      if (entry.kind === 'file') return []
      const reached = posix.join(dirname(path), entry.target)
      const there = paths.some((other) => other.startsWith(`${reached}/`))
      return there ? [] : [`${path} -> ${entry.target}`]
    })
    t.strictSame(lost, [], name)
  }
})
