import { driverctlFailed } from '../errors/bind.js'
import { runCommand } from '../host/command.js'
import { isExecutable } from '../host/executable.js'
import type { Root } from '../host/sysroot.js'
import type { PciAddress } from '../units/pci-address.js'

/** Whether driverctl(8) is installed, which keeps a driver over a reboot. It knows of this host alone. */
export function hasDriverctl(root: Root): boolean {
  return root === '' && directories().some((directory) => isExecutable(`${directory}/driverctl`))
}

/**
 * Gives a device to a driver for good.
 * @param driver null for the one that the kernel chooses
 * @throws {UserError} exit 69 with what driverctl says
 */
export async function overrideDriver(address: PciAddress, driver: string | null): Promise<void> {
  const command = driver === null ? ['unset-override', address] : ['set-override', address, driver]
  const { failure } = await runCommand(['driverctl', ...command])
  if (failure !== null) throw driverctlFailed({ command: command.join(' '), reason: failure })
}

function directories(): string[] {
  return [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'].filter(Boolean)
}
