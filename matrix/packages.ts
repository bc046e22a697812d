import { readFileSync } from 'node:fs'
import { execaSync } from 'execa'

/** A package a line; `#` begins a comment. */
export function readPackages(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
}

/** Whether a program is in PATH. */
export function isInstalled(program: string): boolean {
  return execaSync('sh', ['-c', 'command -v "$1"', 'sh', program], { reject: false }).exitCode === 0
}
