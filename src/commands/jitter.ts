import { accessSync, constants } from 'node:fs'
import { findConfig } from '../config/find.js'
import { loadPolicy } from '../config/load.js'
import type { Policy } from '../config/policy.js'
import { emulatorOfArch } from '../emulator/names.js'
import { badSeconds, compareNeedsProfile, isGuestSilent } from '../errors/jitter.js'
import { guestFor } from '../jitter/guest.js'
import { jitterToJson } from '../jitter/json.js'
import type { JitterResult } from '../jitter/result.js'
import { runJitter } from '../jitter/run.js'
import { formatJitter } from '../jitter/text.js'
import { profileNamed } from '../plan/ask.js'
import { report, writeAll } from '../report/output.js'
import { printableJson } from '../units/printable.js'
import { jitterNetworkCommand, type NetworkOptions, refuseNetworkOptions } from './jitter-network.js'

export interface JitterOptions extends NetworkOptions {
  readonly mode: 'spin' | 'network'
  readonly profile?: string
  readonly seconds: string
  readonly load?: string
  readonly compare?: boolean
  readonly accel?: 'kvm' | 'tcg'
  readonly format: 'text' | 'json'
  readonly config?: string
  readonly emulator?: string
}

/** The guest is of one architecture, whatever the host is. */
const GUEST_ARCH = 'x86_64'

/**
 * Measures how long a guest's vCPU does not run, and prints it.
 * @throws {UserError} exit 64 for wrong usage, 69 when the guest does not run or is not placed as planned, and what
 *   reading the configuration and the launcher do
 */
export async function jitterCommand(options: JitterOptions): Promise<void> {
  if (options.mode === 'network') return jitterNetworkCommand(options)
  refuseNetworkOptions(options.mode, options)
  const { profile = null, compare = false, accel } = options
  if (compare && profile === null) throw compareNeedsProfile()
  const seconds = Number(options.seconds)
  if (!(seconds >= 2 && seconds <= 86_400)) throw badSeconds({ seconds: options.seconds })
  const policy = await readPolicy(options.config)
  const settings = profile === null ? null : profileNamed(policy, profile).settings
  const common = {
    launcher: process.env.QEMU_RT_LAUNCHER ?? 'qemu-rt',
    // The same machine for both: only the profile is to make a difference.
    machine: guestFor(settings),
    seconds,
    load: options.load ?? null,
    config: options.config ?? null,
    emulator:
      options.emulator ?? (process.env.QEMU_RT_EMULATOR || emulatorOfArch(GUEST_ARCH, policy.emulators)),
  }
  const results: JitterResult[] = []
  let accelerator = accel ?? (hasKvm() ? 'kvm' : 'tcg')
  for (const wanted of compare ? [null, profile] : [profile]) {
    const run = { ...common, profile: wanted }
    try {
      results.push(await runJitter({ ...run, accelerator }))
    } catch (error) {
      const isChosen = accel !== undefined || accelerator === 'tcg' || results.length > 0
      if (isChosen || !isGuestSilent(error)) throw error
      report('the guest does not run with KVM here; it is emulated instead (--accel kvm shows why)')
      accelerator = 'tcg'
      results.push(await runJitter({ ...run, accelerator }))
    }
  }
  writeAll(
    1,
    options.format === 'json' ? `${printableJson(jitterToJson(results), 2)}\n` : formatJitter(results),
  )
}

function readPolicy(config: string | undefined): Promise<Policy> {
  return loadPolicy({ ...findConfig(config, process.env), emulatorMode: false })
}

function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
