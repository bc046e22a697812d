import { type CpuSet, parseCpuSet, subtractCpuSets, unionCpuSets } from '../units/cpu-set.js'
import { hasRealtimeGroups } from '../units/kernel-config.js'
import { hasFairServer } from '../units/kernel-release.js'
import { parseSmtControl } from '../units/smt.js'
import { readKernelConfig } from './check/kernel-config.js'
import { readCoreKinds } from './core-kinds.js'
import { readCpusetCpus, readMachinesCpus, readReservedCpus, readStartCpus } from './cpuset.js'
import type { HostCpus } from './facts.js'
import { readIsolatedGroups, readPartitions } from './partitions.js'
import { readProc } from './proc.js'
import { listDirectory, readAttribute, readNumber } from './sysfs.js'
import type { Root } from './sysroot.js'

const CPUS = '/sys/devices/system/cpu'
const NODES = '/sys/devices/system/node'

/**
 * Reads the host's CPUs (Linux Documentation/ABI/testing/sysfs-devices-system-cpu).
 * @param topology whether cores, nodes and the cgroup are wanted too: a file for each core
 * @param machines whose cpuset is read: that of libvirt's machines, instead of this process's
 * @returns null when the host does not say which CPUs are there
 */
export function readCpus(root: Root, topology: boolean, machines = false): HostCpus | null {
  const present = readSet(`${root}${CPUS}/present`)
  if (present === null || present.length === 0) return null
  // A kernel without hot-plugging of CPUs has no such file: all are online.
  const online = readSet(`${root}${CPUS}/online`) ?? present
  const smt = subtractCpuSets(present, online).length === 0 ? {} : readSmt(root)
  const plain = { present, online, ...smt, ...readIsolated(root) }
  if (!topology) return { ...plain, cpuset: null, siblings: {}, nodes: {}, realtimeRuntime: null }
  const cpuset = machines ? readMachinesCpus(root) : readCpusetCpus(root)
  const coreKinds = readCoreKinds(root, present)
  const reserved = machines ? [] : readReservedCpus(root)
  const isKept = cpuset !== null && subtractCpuSets(online, cpuset).length > 0
  return {
    ...plain,
    cpuset,
    startCpuset: machines ? null : readStartCpus(root),
    ...(reserved.length === 0 ? {} : { reserved }),
    ...(isKept ? { partitions: readPartitions(root) } : {}),
    ...readRcuPriority(root),
    ...(coreKinds.length === 0 ? {} : { coreKinds }),
    ...readCaches(root, online),
    siblings: readSiblings(root, online),
    ...readNodes(root),
    ...readRealtimeRuntime(root),
  }
}

/**
 * Whether SMT is off: the kernel then refuses to bring the other threads of a core online (Linux
 * Documentation/ABI/testing/sysfs-devices-system-cpu, smt/control; kernel/cpu.c, cpu_smt_allowed). It does not say which they are.
 */
function readSmt(root: Root): Pick<HostCpus, 'smt'> {
  const smt = parseSmtControl(readAttribute(`${root}${CPUS}/smt/control`))
  return smt === undefined ? {} : { smt }
}

/**
 * Reads what limits real-time threads. The build configuration is hundreds of kilobytes: it is read only where the answer hangs
 * on it.
 */
export function readRealtimeRuntime(root: Root): Pick<HostCpus, 'realtimeRuntime' | 'kernel'> {
  const realtimeRuntime = readNumber(`${root}/proc/sys/kernel/sched_rt_runtime_us`)
  if (realtimeRuntime === null || realtimeRuntime === -1) return { realtimeRuntime }
  const release = readAttribute(`${root}/proc/sys/kernel/osrelease`)
  const config = hasFairServer(release) ? readKernelConfig(root).text : null
  const asked = readRealtimeGroupsAsked(root)
  const groups = config === null ? null : hasRealtimeGroups(config, asked)
  return { realtimeRuntime, kernel: { release, hasRealtimeGroups: groups } }
}

/** By the boot's list, which knows nothing of cgroups (Linux drivers/base/cpu.c, print_cpus_isolated), and by cgroups. */
function readIsolated(root: Root): Pick<HostCpus, 'isolated' | 'isolatedByGroups'> {
  const booted = readSet(`${root}${CPUS}/isolated`)
  const grouped = readIsolatedGroups(root)
  if (grouped === null || grouped.length === 0) return { isolated: booted ?? grouped }
  // Whether the root group names those of the boot's list, too, is the kernel's affair.
  const isolatedByGroups = subtractCpuSets(grouped, booted ?? [])
  if (isolatedByGroups.length === 0) return { isolated: booted }
  const isolated = unionCpuSets(booted ?? [], isolatedByGroups)
  return { isolated, isolatedByGroups }
}

/** Linux Documentation/admin-guide/kernel-parameters.txt, rcutree.kthread_prio=; the last one counts. */
function readRcuPriority(root: Root): Pick<HostCpus, 'rcuPriority'> {
  const line = readProc(`${root}/proc/cmdline`)
  if (line === null) return {}
  const written = [...line.matchAll(/(?:^|\s)rcutree\.kthread_prio=(\d{1,3})(?=\s|$)/g)].at(-1)?.[1]
  return { rcuPriority: written === undefined ? 'default' : Number(written) }
}

/** The last `rt_group_sched=` of the kernel's command line, see `hasRealtimeGroups`; null without. */
function readRealtimeGroupsAsked(root: Root): string | null {
  const line = readProc(`${root}/proc/cmdline`) ?? ''
  return [...line.matchAll(/(?:^|\s)rt[-_]group[-_]sched=(\S+)/g)].at(-1)?.[1] ?? null
}

function readSet(path: string): CpuSet | null {
  const text = readAttribute(path)
  return text === null ? null : parseCpuSet(text)
}

function readSiblings(root: Root, online: CpuSet): Record<number, CpuSet> {
  const siblings: Record<number, CpuSet> = {}
  for (const cpu of online) {
    if (siblings[cpu] !== undefined) continue
    const core = readSet(`${root}${CPUS}/cpu${cpu}/topology/thread_siblings_list`) ?? [cpu]
    for (const sibling of core) siblings[sibling] = core
  }
  return siblings
}

/**
 * Reads which CPUs share a third-level cache, as those of a core complex of AMD's do, of which a node has several (Linux
 * Documentation/ABI/testing/sysfs-devices-system-cpu, cache/index3/shared_cpu_list). Where the first CPU has none, none is looked for.
 */
function readCaches(root: Root, online: CpuSet): Pick<HostCpus, 'caches'> {
  const caches: CpuSet[] = []
  const known = new Set<number>()
  for (const cpu of online) {
    if (known.has(cpu)) continue
    const shared = readSet(`${root}${CPUS}/cpu${cpu}/cache/index3/shared_cpu_list`)
    if (shared === null && caches.length === 0) break
    if (shared === null) continue
    caches.push(shared)
    for (const one of shared) known.add(one)
  }
  return caches.length === 0 || (caches.length === 1 && known.size >= online.length) ? {} : { caches }
}

function readNodes(root: Root): Pick<HostCpus, 'nodes' | 'distances'> {
  const names = listDirectory(`${root}${NODES}`) ?? []
  const numbers = names.flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? []).map(Number)
  const nodes = Object.fromEntries(
    numbers.map((node) => [node, readSet(`${root}${NODES}/node${node}/cpulist`) ?? []]),
  )
  if (numbers.length < 2) return { nodes }
  const distances = numbers.flatMap((node): [number, number[]][] => {
    const row = readAttribute(`${root}${NODES}/node${node}/distance`)?.split(' ').map(Number) ?? []
    return row.length === numbers.length ? [[node, row]] : []
  })
  return distances.length === 0 ? { nodes } : { nodes, distances: Object.fromEntries(distances) }
}
