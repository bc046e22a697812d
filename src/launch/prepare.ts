import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { loadPolicy } from '../config/load.js'
import type { Policy } from '../config/policy.js'
import { EMPTY_HOST } from '../host/facts.js'
import { readHostFacts, readPresentCpus } from '../host/read.js'
import { matchDomain } from '../plan/domain.js'
import { asksForNics } from '../plan/nics/requests.js'
import { makePlan, type Plan } from '../plan/plan.js'
import type { Request } from '../plan/request.js'
import { type ReadConfig, readConfigPaths } from '../plan/unseen.js'

/**
 * Reads what a request's plan needs (configuration, host facts, `-readconfig` files) and makes the plan.
 * @throws {UserError} see `loadPolicy`, `readHostFacts` and `makePlan`
 */
export function preparePlan(request: Request): Plan {
  const { path, explicit } = request.config
  const policy = loadPolicy({ path, explicit, emulatorMode: request.entry === 'emulator' })
  return planWith(request, policy, process.cwd())
}

/**
 * As `preparePlan`, with a policy that was read before.
 * @param directory where relative paths of `-readconfig` start
 */
export function planWith(request: Request, policy: Policy, directory: string): Plan {
  const readConfigs = readConfigFiles(request, directory)
  return makePlan(request, { policy, host: neededFacts(request, policy), readConfigs })
}

/** Reading every PCI device takes longer than all the rest, so only a VM that asks for a NIC pays for it. */
function neededFacts(request: Request, policy: Policy) {
  const domain = matchDomain(policy, request.guest)?.settings.nics ?? null
  if (asksForNics(request.line, { nics: request.nics, domain })) return readHostFacts(request.sysroot)
  const setsCpus = Object.values(policy.host).some((cpus) => cpus !== null)
  return setsCpus ? { ...EMPTY_HOST, presentCpus: readPresentCpus(request.sysroot) } : EMPTY_HOST
}

function readConfigFiles(request: Request, directory: string): ReadConfig[] {
  return readConfigPaths(request.line).map((path) => {
    try {
      return { path, text: readFileSync(resolve(directory, path), 'utf8') }
    } catch {
      // QEMU itself reports a file that it cannot read; a descriptor (/dev/fdset/…) must not be consumed here.
      return { path, text: null }
    }
  })
}
