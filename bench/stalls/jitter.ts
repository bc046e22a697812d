import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import * as v from 'valibot'
import { LAUNCHER, PATH } from '../common/project.js'
import { HOUSEKEEPING_CPU } from './cpus.js'

const OUTPUT = v.object({
  runs: v.tuple([
    v.object({
      accelerator: v.picklist(['kvm', 'tcg']),
      worstMicroseconds: v.number(),
      gapsOver: v.object({ '100us': v.number(), '1ms': v.number() }),
      floor: v.optional(
        v.object({
          host: v.nullable(v.object({ tool: v.string(), worstMicroseconds: v.number() })),
          notMeasured: v.array(v.object({ tool: v.string(), why: v.string() })),
        }),
      ),
    }),
  ]),
})

export interface JitterOptions {
  readonly mode: 'spin' | 'timer'
  /** Whether the host is measured afterwards, for as long. */
  readonly isFloored: boolean
  readonly seconds: number
  /** A shell command that runs beside the guest. */
  readonly load: string
  readonly config: string
  /** null: best effort. */
  readonly profile: string | null
  /** The vCPU's CPU is isolated: what is not placed there by name must not come to it, as it is after a boot with isolcpus. */
  readonly isIsolated: boolean
  readonly accelerator: Accelerator
}

export type Accelerator = 'kvm' | 'tcg'

/** For how long and how often the guest was kept from running. */
export interface Stalls {
  readonly accelerator: Accelerator
  readonly worstMs: number
  readonly over100us: number
  readonly over1ms: number
  /** The same of the host without a VM; absent where it was not asked for. */
  readonly host?: { readonly tool: string; readonly worstMs: number }
}

/**
 * Runs `qemu-rt jitter`.
 * @param stopped ends it, with its guest and the load
 * @returns null when the guest did not run
 * @throws {Error} with what it said, when it fails otherwise
 */
export async function measureStalls(options: JitterOptions, stopped: AbortSignal): Promise<Stalls | null> {
  const { mode, isFloored, seconds, load, config, profile, isIsolated, accelerator } = options
  const args = [
    ...['jitter', '--format', 'json', '--seconds', String(seconds), '--load', load, '--config', config],
    ...['--mode', mode, '--floor', isFloored ? String(seconds) : 'none'],
    ...['--accel', accelerator, ...(profile === null ? [] : ['--profile', profile])],
  ]
  const affinity = isIsolated ? ['taskset', '--cpu-list', String(HOUSEKEEPING_CPU)] : []
  const [program, ...words] = [...affinity, LAUNCHER, ...args]
  const child = spawn(program ?? LAUNCHER, words, {
    env: { PATH, LC_ALL: 'C', HOME: '/' },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: stopped,
  })
  const [out, said, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  if (said.includes('the guest reported nothing')) return null
  if (code !== 0) throw new Error(`qemu-rt jitter: exit code ${String(code)}: ${said.trim()}`)
  const [run] = v.parse(OUTPUT, JSON.parse(out)).runs
  const host = run.floor?.host
  if (isFloored && host == null)
    throw new Error(
      `the host was not measured: ${run.floor?.notMeasured.map(({ tool, why }) => `${tool}: ${why}`).join('; ')}`,
    )
  return {
    ...(host == null ? {} : { host: { tool: host.tool, worstMs: host.worstMicroseconds / 1000 } }),
    accelerator: run.accelerator,
    worstMs: run.worstMicroseconds / 1000,
    over100us: run.gapsOver['100us'],
    over1ms: run.gapsOver['1ms'],
  }
}
