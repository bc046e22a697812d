import {
  type CpuSet,
  formatCpuSet,
  intersectCpuSets,
  subtractCpuSets,
  unionCpuSets,
} from '../units/cpu-set.js'
import { parseSmtControl } from '../units/smt.js'
import type { Check, Sets } from './check.js'
import { byOnline } from './fixes.js'
import { cpusOf, cpusText, few, textOf, whyNot } from './look.js'
import { isolatedCpus, ONLINE, PRESENT } from './sets.js'
import { met, missed, noted, notHere, unknown } from './verdicts.js'

const SOURCE = 'docs/configuration.md'
const SMT_CONTROL = '/sys/devices/system/cpu/smt/control'

/** What [host] may be on this host: the CPUs that are isolated, else all but the first two, or the first. */
export function exampleOfHost({ realtime: isolated, housekeeping, online }: Sets): string {
  const kept = isolated.length > 0 ? housekeeping : online.slice(0, online.length > 3 ? 2 : 1)
  const given = isolated.length > 0 ? isolated : subtractCpuSets(online, kept)
  return `housekeeping = "${formatCpuSet(kept)}", realtime = "${formatCpuSet(given)}"`
}

const realtime: Check = {
  id: 'config.realtime',
  group: 'configuration',
  severity: 'warn',
  look: 'for [host] realtime and housekeeping',
  reads: [],
  wanted: () => 'both',
  judge: ({ configured, facts }) => {
    const gone = (['realtime', 'housekeeping'] as const).filter((name) => configured[name] === null)
    if (gone.length === 0)
      return met(
        `${formatCpuSet(configured.realtime ?? [])} and ${formatCpuSet(configured.housekeeping ?? [])}`,
      )
    const isolated = isolatedCpus(facts) ?? []
    const instead =
      configured.realtime !== null
        ? ''
        : isolated.length > 0
          ? `; the isolated ${cpusText(isolated)} are taken for real-time`
          : '; no CPU is isolated either, so what is about real-time CPUs is not known'
    return missed(realtime, `[host] does not say ${gone.join(' and ')}${instead}`)
  },
  why: 'Only the configuration says what each CPU is for; checks, plans and leases go by it.',
  fixedBy: 'configuration',
  fix: (sets) => `write [host] into /etc/qemu-rt/qemu-rt.toml, such as: ${exampleOfHost(sets)}`,
  source: SOURCE,
}

const cpus: Check = {
  id: 'config.cpus',
  group: 'configuration',
  severity: 'fail',
  look: 'for the CPUs of [host] being there and online',
  reads: [ONLINE, PRESENT, SMT_CONTROL],
  wanted: () => 'each there and online',
  judge: ({ configured, facts }) => {
    const online = cpusOf(facts, ONLINE)
    if (online === null) return unknown(whyNot(facts, ONLINE))
    const present = cpusOf(facts, PRESENT) ?? online
    const without = (has: (cpus: CpuSet) => CpuSet) =>
      (['housekeeping', 'realtime', 'switch'] as const).flatMap((name) => {
        const cpus = has(configured[name] ?? [])
        return cpus.length === 0 ? [] : [`${name} has ${cpusText(cpus)}`]
      })
    const gone = without((all) => subtractCpuSets(all, present))
    if (gone.length > 0)
      return missed(
        cpus,
        `${gone.join(', ')}, and this host has CPUs ${formatCpuSet(present)} alone`,
        'correct [host]; the other checks leave these CPUs out',
      )
    const reserved = unionCpuSets(configured.realtime ?? [], configured.switch ?? [])
    if (online.length > 0 && subtractCpuSets(online, reserved).length === 0)
      return missed(
        cpus,
        'realtime and switch have all CPUs that are online, and the system needs one',
        'leave at least one CPU out of them in [host]',
      )
    const off = without((all) => subtractCpuSets(all, online))
    if (off.length === 0) return met(formatCpuSet(online))
    const { housekeeping, realtime, switch: given } = configured
    const all = unionCpuSets(housekeeping ?? [], realtime ?? [], given ?? [])
    return missed(
      cpus,
      `${off.join(', ')}, not online`,
      `${byOnline(subtractCpuSets(all, online), parseSmtControl(textOf(facts, SMT_CONTROL)))}; or correct [host]`,
    )
  },
  why: 'A VM that is given a CPU that is not online does not start, and none does while [host] has a CPU that the host has not.',
  fixedBy: 'configuration',
  fix: () => 'run as root: chcpu -e CPUS; or correct [host]',
  source: SOURCE,
}

const nics: Check = {
  id: 'config.nics',
  group: 'configuration',
  severity: 'fail',
  look: 'for the NICs of the configuration',
  reads: [],
  also: 'what the selectors of [nic.…] match among the PCI devices',
  wanted: () => 'each [nic.…] stands for a device',
  judge: ({ nics: all }) => {
    if (all.length === 0) return notHere('none is configured')
    const lost = all.flatMap(({ name, error }) => (error === null ? [] : [{ name, error }]))
    if (lost.length === 0) return met(few(all.map(({ name }) => name)))
    return missed(
      nics,
      few(
        lost.map(({ error }) => error),
        2,
      ),
    )
  },
  why: 'A VM that asks for such a NIC does not start.',
  fixedBy: 'configuration',
  fix: () => 'correct the selectors; qemu-rt nics list shows what there is',
  source: SOURCE,
}

const nicsReady: Check = {
  id: 'config.nics-ready',
  group: 'configuration',
  severity: 'note',
  look: 'for NICs that can be given to a VM now',
  reads: [],
  also: 'driver, IOMMU group and node of each device',
  wanted: () => 'each bound to vfio-pci, alone in its group',
  judge: ({ nics: all }) => {
    const kept = all.filter(({ obstacles }) => obstacles.length > 0)
    if (all.length === 0) return notHere('none is configured')
    if (kept.length === 0) return met(few(all.map(({ name }) => name)))
    const [first] = kept
    const found = few(
      kept.map(({ name, obstacles }) => `${name}: ${obstacles[0] ?? ''}`),
      2,
    )
    return noted(found, `see: qemu-rt nics show ${first?.name ?? 'NAME'}`)
  },
  why: "libvirt's hook binds a NIC when its VM starts; a VM that is started by hand needs it bound before.",
  fixedBy: 'system',
  fix: () => 'see: qemu-rt nics show NAME',
  source: SOURCE,
}

const nicNodes: Check = {
  id: 'config.nic-nodes',
  group: 'configuration',
  severity: 'warn',
  look: 'for real-time CPUs near each NIC',
  reads: [],
  also: 'numa_node of the devices, CPUs of the nodes',
  isAboutRealtime: true,
  wanted: () => 'real-time CPUs on the node of each NIC',
  judge: ({ nics: all, nodes, sets }) => {
    const placed = all.filter((nic) => nic.nodes.length > 0)
    if (placed.length === 0 || Object.keys(nodes).length < 2)
      return notHere('there is one node, or no NIC that says its node')
    const far = placed.flatMap(({ name, nodes: own }) =>
      own.some((node) => intersectCpuSets(nodes[node] ?? [], sets.realtime).length > 0)
        ? []
        : [`${name} is on node ${own.join(', ')}`],
    )
    return far.length === 0 ? met('so it is') : missed(nicNodes, `${few(far)}, without a real-time CPU`)
  },
  why: "DMA and interrupts cross to the other node, and the VM's memory is on one of the two.",
  fixedBy: 'configuration',
  fix: () => 'give [host] realtime CPUs of that node, or move the card to a slot of the other one',
  source: SOURCE,
}

const housekeepingNodes: Check = {
  id: 'config.housekeeping-nodes',
  group: 'configuration',
  severity: 'note',
  look: 'for a housekeeping CPU on each node',
  reads: [],
  also: 'CPUs of the nodes',
  wanted: () => 'one at least',
  judge: ({ nodes, sets }) => {
    const all = Object.entries(nodes).filter(([, own]) => own.length > 0)
    if (all.length === 0) return unknown('the nodes are not known')
    const bare = all.filter(
      ([, own]: readonly [string, CpuSet]) => intersectCpuSets(own, sets.housekeeping).length === 0,
    )
    return bare.length === 0
      ? met(`${all.length} ${all.length === 1 ? 'node' : 'nodes'}`)
      : missed(housekeepingNodes, `node ${bare.map(([node]) => node).join(', ')} has none`)
  },
  why: "The kernel's work for memory of a node, and QEMU's other threads, run on another node otherwise.",
  fixedBy: 'configuration',
  fix: () => 'give [host] housekeeping a CPU of that node',
  source: 'Linux Documentation/admin-guide/cpu-isolation.rst, Housekeeping',
}

const domains: Check = {
  id: 'config.domains',
  group: 'configuration',
  severity: 'fail',
  look: 'for what [[domain]] entries name',
  reads: [],
  wanted: () => 'NICs that the configuration or this host has',
  judge: ({ domainProblems }) =>
    domainProblems.length === 0 ? met('there') : missed(domains, few(domainProblems, 2)),
  why: 'A domain that asks for something missing does not start.',
  fixedBy: 'configuration',
  fix: () => 'add the [nic.…] that is named, or correct the name under [[domain]]',
  source: SOURCE,
}

export const CONFIGURATION_CHECKS: readonly Check[] = [
  realtime,
  cpus,
  nics,
  nicsReady,
  nicNodes,
  housekeepingNodes,
  domains,
]
