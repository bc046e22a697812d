import { findConfig } from '../../config/find.js'
import { loadPolicy } from '../../config/load.js'
import { onlyThisHost } from '../../errors/nics.js'
import { readHostFacts } from '../../host/read.js'
import type { HeldLease } from '../../plan/leases.js'
import { NOTHING_KNOWN } from '../../plan/nics/uses.js'
import { readLeases } from '../../record/leases/read.js'
import { report } from '../../report/output.js'

/** Options that every `nics` command has. */
export interface HostOptions {
  readonly config?: string
  readonly sysroot: string
}

/**
 * Reads the host's devices and the configuration that names them.
 * @returns `warn` prints what is wrong with the saved inventory
 */
export async function readHost({ config, sysroot }: HostOptions) {
  const policy = await loadPolicy({ ...findConfig(config, process.env), emulatorMode: false })
  const host = { ...readHostFacts(sysroot), holds: () => readHolds(sysroot) }
  const { useOf = NOTHING_KNOWN } = host
  const warn = () => {
    for (const warning of host.inventoryWarnings) report(`warning: ${warning}`)
  }
  return { policy, host, useOf, warn }
}

/**
 * Refuses a captured host, before anything beneath it is read: its files are no kernel's, to be written to for an effect.
 * @param command as a person writes it, such as `nics bind`
 * @throws {UserError} exit 64
 */
export function refuseSysroot(command: string, { sysroot }: HostOptions): void {
  if (sysroot !== '/') throw onlyThisHost({ command, sysroot })
}

function readHolds(sysroot: string): readonly HeldLease[] | null {
  try {
    return readLeases(sysroot, sysroot === '/' ? 'check' : 'assume').held
  } catch {
    return null
  }
}
