import { escapeCommas } from '../../argv/keyval.js'
import { type Request, readRequest } from '../../plan/request.js'
import type { Domain } from '../domain.js'

/**
 * What a domain asks the wrapper for through `<qemu:commandline>` and by its PCI devices: the request that the wrapper
 * will read, as far as it can be told before libvirt has made QEMU's command line.
 * @throws {UserError} exit 64 or 65, as the wrapper would say
 */
export function requestOf(domain: Domain, emulator: string): Request {
  const hostdevs = domain.hostdevs.flatMap(({ id, address }) => [
    '-device',
    `vfio-pci,host=${address},id=${escapeCommas(id)}`,
  ])
  const uuid = domain.uuid === null ? [] : ['-uuid', domain.uuid]
  return readRequest({
    entry: emulator.slice(emulator.lastIndexOf('/') + 1),
    args: ['-name', `guest=${escapeCommas(domain.name)}`, ...uuid, ...hostdevs, ...domain.args],
    env: domain.env,
    hostArch: process.arch,
  })
}
