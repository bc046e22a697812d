import { accessSync, constants } from 'node:fs'
import { badSeconds, compareNeedsProfile } from '../errors/jitter.js'
import { UserError } from '../errors/user-error.js'
import { jitterToJson } from '../jitter/json.js'
import type { JitterResult } from '../jitter/result.js'
import { runJitter } from '../jitter/run.js'
import { formatJitter } from '../jitter/text.js'
import { report, writeAll } from '../report/output.js'

export interface JitterOptions {
  readonly profile?: string
  readonly seconds: string
  readonly load?: string
  readonly compare?: boolean
  readonly accel?: 'kvm' | 'tcg'
  readonly format: 'text' | 'json'
  readonly config?: string
  readonly emulator?: string
}

/**
 * Measures how long a guest's vCPU does not run, and prints it.
 * @throws {UserError} exit 64 for wrong usage, 69 when the guest does not run or is not placed as planned
 */
export async function jitterCommand(options: JitterOptions): Promise<void> {
  const { profile = null, compare = false, accel } = options
  if (compare && profile === null) throw compareNeedsProfile()
  const seconds = Number(options.seconds)
  if (!(seconds >= 2 && seconds <= 86_400)) throw badSeconds({ seconds: options.seconds })
  const results: JitterResult[] = []
  let accelerator = accel ?? (hasKvm() ? 'kvm' : 'tcg')
  for (const wanted of compare ? [null, profile] : [profile]) {
    const run = {
      launcher: process.env.QEMU_RT_LAUNCHER ?? 'qemu-rt',
      profile: wanted,
      seconds,
      load: options.load ?? null,
      options: [
        ...(options.config === undefined ? [] : ['--config', options.config]),
        ...(options.emulator === undefined ? [] : ['--emulator', options.emulator]),
      ],
    }
    try {
      results.push(await runJitter({ ...run, accelerator }))
    } catch (error) {
      const mayBeKvm = error instanceof UserError && error.message.startsWith('the guest reported nothing')
      if (!mayBeKvm || accel !== undefined || accelerator === 'tcg' || results.length > 0) throw error
      report('the guest does not run with KVM here; it is emulated instead (--accel kvm shows why)')
      accelerator = 'tcg'
      results.push(await runJitter({ ...run, accelerator }))
    }
  }
  writeAll(
    1,
    options.format === 'json' ? `${JSON.stringify(jitterToJson(results), null, 2)}\n` : formatJitter(results),
  )
}

function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
