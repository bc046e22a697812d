// Checks every sh script of the project, if shellcheck is installed; in CI it has to be.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NOT_OURS = new Set(['.git', '.tap', 'dist', 'node_modules'])

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const scripts = filesBeneath('.').filter(isScript)
const { status, error } = spawnSync('shellcheck', ['-s', 'sh', '-S', 'style', '--', ...scripts], {
  stdio: 'inherit',
})

if (error === undefined) process.exitCode = status ?? 1
else if (error.code === 'ENOENT' && !process.env.CI) {
  console.log(
    `skipped: shellcheck is not installed, so ${scripts.length} scripts are unchecked; apt install shellcheck`,
  )
} else {
  console.error(`shellcheck cannot be run: ${error.message}; apt install shellcheck`)
  process.exitCode = 1
}

/** Files, not links: the emulator entries are links to the launcher. */
function filesBeneath(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : filesBeneath(path)
    return entry.isFile() ? [path] : []
  })
}

function isScript(path) {
  const named = path.endsWith('.sh')
  const executable = (statSync(path).mode & 0o111) !== 0
  return named || (executable && /^#!\/bin\/sh\b/.test(readFileSync(path, 'latin1').slice(0, 20)))
}
