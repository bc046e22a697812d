import type { CommandLine } from '../../argv/command-line.js'
import { findOptions, propertiesAt } from '../../argv/command-line.js'
import type { Properties } from '../../argv/properties.js'
import type { HostCpus } from '../../host/facts.js'
import { type CpuSet, formatCpuSet, intersectCpuSets, parseCpuSet } from '../../units/cpu-set.js'
import { describeHolder, type HeldLease, holderOfCpus } from '../leases.js'

/**
 * Warns of thread contexts whose CPUs are isolated or another VM's: the threads that preallocate guest RAM run there
 * (QEMU util/thread-context.c). Where the command line has them they stay.
 * @param held what other VMs hold
 */
export function contextWarnings(line: CommandLine, cpus: HostCpus, held: readonly HeldLease[]): string[] {
  const contexts = findOptions(line, 'object')
    .map(({ index }) => propertiesAt(line, index))
    .filter((object) => object.get('qom-type') === 'thread-context')
  return contexts.flatMap((context) => {
    const given = affinityOf(context, cpus)
    const what = `thread context '${context.get('id') ?? ''}'`
    const holder = holderOfCpus(held, given)
    const isolated = intersectCpuSets(given, cpus.isolated ?? [])
    return [
      ...(holder === null
        ? []
        : [
            `${what} may run on CPU ${formatCpuSet(holder.cpus)}, which ${describeHolder(holder.lease)} holds`,
          ]),
      ...(isolated.length === 0
        ? []
        : [
            `${what} may run on CPU ${formatCpuSet(isolated)}, which is isolated: guest RAM is preallocated there; ` +
              'give it other CPUs with cpu-affinity',
          ]),
    ]
  })
}

/** `cpu-affinity=0-1`, or the CPUs of `node-affinity=0`; JSON has lists of them. */
function affinityOf(context: Properties, { nodes }: HostCpus): CpuSet {
  const numbers = (key: string) => parseCpuSet((context.get(key) ?? '').replace(/[[\]\s]/g, '')) ?? []
  return [...numbers('cpu-affinity'), ...numbers('node-affinity').flatMap((node) => nodes[node] ?? [])]
}
