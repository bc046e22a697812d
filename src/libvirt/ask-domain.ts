import { findConfig } from '../config/find.js'
import { loadPolicy } from '../config/load.js'
import { onlyRootWrites } from '../config/ownership.js'
import type { Policy } from '../config/policy.js'
import { isWrapper } from '../emulator/wrapper.js'
import { notOurEmulator } from '../errors/libvirt.js'
import { type Ask, askOf } from '../plan/ask.js'
import { checkOwnEmulator, checkOwnSettings } from '../plan/own-settings.js'
import { type Request, readRequest } from '../plan/request.js'
import type { Domain } from './domain.js'
import { madeArguments } from './made-command.js'

/** All that says what a domain gets, read once. */
export interface DomainAsk extends Ask {
  readonly request: Request
  readonly policy: Policy
}

/** What a person says who wants to know what becomes of a domain. libvirt's hook has nobody to ask. */
export interface PersonsWord {
  /** A configuration instead of the domain's, by a flag. */
  readonly config: string | undefined
  /** The environment, which may name a configuration for a domain that names none. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** A profile for a domain that asks for none. */
  readonly profile: string | undefined
}

const NOBODY: PersonsWord = { config: undefined, env: {}, profile: undefined }

/**
 * Whether the wrapper starts a domain's QEMU.
 * @throws {UserError} exit 78 for a domain that asks the wrapper for something, and does not use it
 */
export function usesWrapper({ name, emulator, request }: Domain): boolean {
  if (emulator !== null && isWrapper(emulator)) return true
  if (request.isAsked) throw notOurEmulator({ domain: name, emulator })
  return false
}

/**
 * Finds out what applies to a domain, by the configuration and by its XML as far as the configuration lets it ask. The hook
 * and `qemu-rt domain` both ask here, so that these refuse what the hook refuses.
 * @param configDirectory where a domain may name a configuration; the default one's directory when it is not said
 * @throws {UserError} what the wrapper would say: exit 64 or 65 for what cannot be read, 69 for a NIC that is not
 *   configured, 77 or 78 for the configuration
 */
export async function askOfDomain(
  domain: Domain,
  configDirectory?: string,
  { config, env, profile }: PersonsWord = NOBODY,
): Promise<DomainAsk> {
  const request = requestOf(domain, madeArguments(domain))
  checkOwnSettings(request, configDirectory)
  const persons = findConfig(config, request.config.explicit ? {} : env)
  // A person may try out a file of its own; what the hook reads only root may be able to change.
  const policy = persons.explicit
    ? await loadPolicy({ ...persons, emulatorMode: false })
    : await loadPolicy({ ...request.config, emulatorMode: true })
  checkOwnEmulator(request.emulator, policy, onlyRootWrites)
  const asked = { ...domain.request, profile: domain.request.profile ?? profile ?? null }
  return { request, policy, ...askOf(request, policy, { asked, record: null }) }
}

/** Reads a command line of a domain's as the wrapper will: its name is that of the file in `<emulator>`. */
export function requestOf({ emulator, env }: Domain, args: readonly string[]): Request {
  const entry = emulator === null ? 'qemu-system-x86_64' : emulator.slice(emulator.lastIndexOf('/') + 1)
  return readRequest({ entry, args, env, hostArch: process.arch })
}
