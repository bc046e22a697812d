import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { buildSync } from 'esbuild'
import type { Test } from 'tap'

/** Runs Node as a user who owns nothing, without tap's environment, which has a process write into the project. */
function nodeAsNobody(...args: string[]): string {
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', 'env', '-i', process.execPath, ...args]
  return execFileSync('setpriv', nobody, { encoding: 'utf8', stdio: 'pipe' })
}

/** Why `runAsNobody` cannot do its work; false when it can. */
export function whyNotNobody(): string | false {
  if (process.getuid?.() !== 0) return 'needs root, to become a user who may not read'
  try {
    return nodeAsNobody('--version') === '' ? 'Node says nothing' : false
  } catch (error) {
    return `Node cannot be run as another user: ${error}`
  }
}

/**
 * Runs a program of the project's modules as nobody, in a process of its own: Node of Debian 13 refuses seteuid() where
 * io_uring may be used. It is bundled first, since nobody may not enter the checkout.
 * @param program TypeScript; imports begin at the project's root; what it prints is JSON
 */
export function runAsNobody(t: Test, program: string, ...args: string[]): unknown {
  const directory = mkdtempSync(`${tmpdir()}/qemu-rt-test-`)
  t.teardown(() => rmSync(directory, { recursive: true }))
  const script = `${directory}/program.mjs`
  const stdin = { contents: program, resolveDir: process.cwd(), loader: 'ts' as const }
  // Libraries in CommonJS call require() for Node's own modules.
  const banner = {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  }
  buildSync({
    ...{ stdin, banner, bundle: true, platform: 'node', format: 'esm', outfile: script, logLevel: 'error' },
  })
  chmodSync(directory, 0o755)
  return JSON.parse(nodeAsNobody(script, ...args))
}
