import { execFile } from 'node:child_process'

/** How a program ended: what it said on stderr, or why it could not be run; null when it did what it was to do. */
export type Failure = string | null

/**
 * Runs a program of the host's and waits for it. Not by execa: loading it takes the tuner a hundred milliseconds
 * of CPU for every VM that starts, and its first call twenty, while a vCPU waits to be placed.
 */
export function run([program = '', ...args]: readonly string[]): Promise<Failure> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env.PATH, LC_ALL: 'C' } }
    execFile(program, args, options, (error, _, stderr) => {
      resolve(error === null ? null : stderr.trim() || error.message)
    })
  })
}
