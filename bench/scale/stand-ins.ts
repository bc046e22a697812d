import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { NicHost } from './launches.js'

/** VMs that run: stand-ins for QEMU, each with a NIC. */
export interface StandIns {
  readonly nics: readonly string[]
  /** From the first launch's start until all had become QEMU. */
  readonly tookMs: number
  readonly stop: () => Promise<void>
}

/**
 * Starts all when it is told to. They get its stdin, and so end when this process lets go of that, even if it is killed.
 */
const STARTER = `
read -r go
exec 3<&0
n=$1
shift
while [ "$n" -gt 0 ]; do
  "$@" <&3 3<&- &
  n=$((n - 1))
done
wait
`

/**
 * Launches several VMs at once, and waits until all of them run.
 * @throws {Error} when a launch fails
 */
export async function startStandIns({ staying }: NicHost, count: number): Promise<StandIns> {
  const { command, env } = staying
  const starter = spawn('/bin/sh', ['-c', STARTER, 'sh', String(count), ...command], { env })
  const ended = once(starter, 'exit')
  const stop = async () => {
    starter.stdin.end()
    await ended
  }
  try {
    const began = performance.now()
    starter.stdin.write('\n')
    const nics = await Promise.race([nicsOf(starter.stdout, count), complaint(starter.stderr)])
    return { nics, tookMs: performance.now() - began, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The NIC of each stand-in, as soon as there are so many. */
async function nicsOf(stdout: Readable, count: number): Promise<string[]> {
  const nics: string[] = []
  for await (const args of createInterface({ input: stdout })) {
    nics.push(/host=([\da-f:.]+)/.exec(args)?.[1] ?? '')
    if (nics.length === count) return nics
  }
  throw new Error(`${nics.length} of ${count} launches have become QEMU`)
}

/** A launch says nothing on stderr unless it fails. */
async function complaint(stderr: Readable): Promise<never> {
  const [text] = await once(stderr, 'data')
  throw new Error(String(text).trim())
}

/** @throws {Error} when two VMs have the same NIC, or one has none */
export function checkNics(nics: readonly string[]): void {
  if (nics.includes('')) throw new Error('a VM has got no NIC')
  const twice = nics.find((nic, index) => nics.indexOf(nic) !== index)
  if (twice !== undefined) throw new Error(`NIC ${twice} was handed out twice`)
}
