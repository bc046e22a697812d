import { isWrapper } from '../../emulator/wrapper.js'
import { UserError } from '../../errors/user-error.js'
import { run } from '../../host/program.js'
import { type Domain, readDomain } from '../domain.js'
import type { HookHost } from './hook-host.js'
import { prepare } from './prepare.js'
import { release } from './release.js'
import { setThreads } from './threads.js'

/**
 * What libvirt calls the hook for that something is done about (https://libvirt.org/hooks.html, "/etc/libvirt/hooks/qemu");
 * the script that libvirt runs has the same list.
 */
const OPERATIONS: Readonly<Record<string, (domain: Domain, host: HookHost) => Promise<void>>> = {
  'prepare begin': prepare,
  'started begin': (domain) => (uses(domain) ? setThreads(domain) : Promise.resolve()),
  // libvirt destroys a domain whose hook fails here.
  'reconnect begin': (domain) => (uses(domain) ? quietly(() => setThreads(domain)) : Promise.resolve()),
  'release end': async ({ uuid }, host) => {
    for (const error of uuid === null ? [] : release(uuid, host)) await log(error.message)
  },
}

/**
 * Does what is to be done when libvirt calls its hook.
 * @param operation such as `prepare`
 * @param suboperation `begin` or `end`
 * @param xml the domain, on stdin
 * @throws {UserError} what is to keep libvirt from going on
 */
export async function runHook(
  operation: string,
  suboperation: string,
  xml: string,
  host: HookHost,
): Promise<void> {
  const name = `${operation} ${suboperation}`
  const action = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined
  if (action === undefined) return
  await action(readDomain(xml, 'stdin'), host)
}

function uses({ emulator }: Domain): boolean {
  return emulator !== null && isWrapper(emulator)
}

async function quietly(action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    await log(error.message)
  }
}

/** libvirt drops what a hook says that does not fail. */
async function log(message: string): Promise<void> {
  await run(['logger', '--tag', 'qemu-rt', '--', message])
}
