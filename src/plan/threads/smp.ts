import { type CommandLine, findOptions, mergedValue, propertiesAt } from '../../argv/command-line.js'
import { badVcpuCount } from '../../errors/threads.js'

/** How many vCPUs a guest has. */
export interface VcpuCount {
  /** From the start, so that QEMU makes a thread for each. */
  readonly present: number
  /** With those that can be plugged later. */
  readonly possible: number
}

/** Keys of -smp whose product is the number of possible vCPUs (QEMU 10.0 hw/core/machine-smp.c). */
const LEVELS = ['drawers', 'books', 'sockets', 'dies', 'clusters', 'modules', 'cores', 'threads']

/**
 * Counts vCPUs as QEMU does (hw/core/machine-smp.c, machine_parse_smp_config): `-smp 4`, `-smp 2,maxcpus=4`,
 * `-smp sockets=1,cores=2,threads=2`, in several -smp too; and vCPUs that the command line plugs itself
 * (`-device host-x86_64-cpu,…`, as libvirt has them after a hot-plug).
 * @throws {UserError} exit 65 when a number does not parse
 */
export function countVcpus(line: CommandLine): VcpuCount {
  const read = (key: string) => readNumber(line, key)
  const cpus = read('cpus')
  const product = LEVELS.reduce((total, level) => total * (read(level) || 1), 1)
  const possible = read('maxcpus') || cpus || product
  return { present: Math.min(possible, (cpus || possible) + pluggedVcpus(line)), possible }
}

/** 0 when the key is not there: QEMU takes both alike. */
function readNumber(line: CommandLine, key: string): number {
  const value = mergedValue(line, 'smp', key) ?? '0'
  if (!/^\d{1,6}$/.test(value)) throw badVcpuCount({ key, value })
  return Number(value)
}

function pluggedVcpus(line: CommandLine): number {
  const drivers = findOptions(line, 'device').map(
    ({ index }) => propertiesAt(line, index).get('driver') ?? '',
  )
  return drivers.filter((driver) => driver.endsWith('-cpu')).length
}
