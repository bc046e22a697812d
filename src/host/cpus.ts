import { type CpuSet, parseCpuSet } from '../units/cpu-set.js'
import { readCpusetCpus, readMachinesCpus, readStartCpus } from './cpuset.js'
import type { HostCpus } from './facts.js'
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
  const plain = { present, online, isolated: readSet(`${root}${CPUS}/isolated`) }
  if (!topology) return { ...plain, cpuset: null, siblings: {}, nodes: {}, realtimeRuntime: null }
  return {
    ...plain,
    cpuset: machines ? readMachinesCpus(root) : readCpusetCpus(root),
    startCpuset: machines ? null : readStartCpus(root),
    siblings: readSiblings(root, online),
    nodes: readNodes(root),
    realtimeRuntime: readNumber(`${root}/proc/sys/kernel/sched_rt_runtime_us`),
  }
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

function readNodes(root: Root): Record<number, CpuSet> {
  const names = listDirectory(`${root}${NODES}`) ?? []
  return Object.fromEntries(
    names.flatMap((name) => {
      const node = /^node(\d+)$/.exec(name)?.[1]
      return node === undefined ? [] : [[node, readSet(`${root}${NODES}/${name}/cpulist`) ?? []]]
    }),
  )
}
