import { existsSync } from 'node:fs'
import { type CpuSet, parseCpuSet, RESERVE, unionCpuSets } from '../units/cpu-set.js'
import { findGroup, type Group } from './cgroup.js'
import { readProc } from './proc.js'
import { readAttribute } from './sysfs.js'
import type { Root } from './sysroot.js'

/**
 * Names of the file with the CPUs that a group may use, first the one that takes its parents into account: cgroup v1
 * (Documentation/admin-guide/cgroup-v1/cpusets.rst) and v2 (Documentation/admin-guide/cgroup-v2.rst).
 */
const FILES = { 1: ['cpuset.effective_cpus', 'cpuset.cpus'], 2: ['cpuset.cpus.effective'] }

/**
 * The CPUs that the cgroup leaves to the VM's threads.
 *
 * libvirt starts the emulator in `…/emulator`, whose cpuset is for emulator threads alone; vCPU and I/O threads get
 * groups beside it. So there the domain's group counts (libvirt docs/cgroups.rst).
 * @returns null when no cpuset limits them
 */
export function readCpusetCpus(root: Root): CpuSet | null {
  const group = ownGroup(root)
  if (group === null) return null
  return withReserve(root, group, cpusOfGroup(root, { ...group, path: machineOf(group) }))
}

function machineOf({ path }: Group): string {
  return path.replace(/\/emulator$/, '')
}

/**
 * The CPUs of the reserve that a VM of this process gets from root alone: libvirt's hook gives them to its VMs, and root's
 * launch to its own.
 * @returns empty where there are none
 */
export function readReservedCpus(root: Root): CpuSet {
  const group = ownGroup(root)
  const isRoots = root === '' && process.geteuid?.() === 0
  if (group === null || isRoots || machineOf(group) !== group.path) return []
  return reserveOf(root, group)
}

/**
 * The CPUs that the cgroup leaves to this process, which becomes QEMU: where libvirt starts it, those of `…/emulator`.
 * @returns null when no cpuset limits it
 */
export function readStartCpus(root: Root): CpuSet | null {
  const group = ownGroup(root)
  return group && cpusOfGroup(root, group)
}

/** Where libvirt puts its machines: with systemd, and without (https://libvirt.org/cgroups.html). */
const MACHINES = ['/machine.slice', '/machine']

/**
 * The CPUs that libvirt's machines may use, before any of them is there.
 * @returns null when no cpuset limits them
 */
export function readMachinesCpus(root: Root): CpuSet | null {
  const group = ownGroup(root)
  if (group === null) return null
  const path = MACHINES.find((one) => existsSync(`${root}${group.mountPoint}${one}`)) ?? ''
  return withReserve(root, group, cpusOfGroup(root, { ...group, path }))
}

/** Root gives a VM the CPUs of the reserve that it is to have: libvirt's hook, and the tuner. */
function withReserve(root: Root, group: Group, cpus: CpuSet | null): CpuSet | null {
  return cpus && unionCpuSets(cpus, reserveOf(root, group))
}

/** What the reserve of `host isolate` has. Nobody but root can make a group in that place. */
function reserveOf(root: Root, { version, mountPoint }: Group): CpuSet {
  const group = `${root}${mountPoint}${RESERVE}`
  const isPartition = version === 2 && readAttribute(`${group}/cpuset.cpus.partition`)?.trim() === 'isolated'
  return isPartition ? (parseCpuSet(readAttribute(`${group}/cpuset.cpus`) ?? '') ?? []) : []
}

/** This process's group of the cpuset controller, where it is in cgroup v2, which alone has partitions; else null. */
export function cpusetHierarchy(root: Root): Group | null {
  const group = ownGroup(root)
  return group?.version === 2 ? group : null
}

function ownGroup(root: Root): Group | null {
  return findGroup(
    'cpuset',
    readProc(`${root}/proc/self/cgroup`) ?? '',
    readProc(`${root}/proc/self/mountinfo`) ?? '',
  )
}

/** The CPUs of a group, or of the nearest one above that has the controller; null when none has. */
export function cpusOfGroup(root: string, { version, mountPoint, path }: Group): CpuSet | null {
  for (const file of FILES[version]) {
    const cpus = parseCpuSet(readAttribute(`${root}${mountPoint}${path}/${file}`) ?? '')
    if (cpus !== null && cpus.length > 0) return cpus
  }
  return path === ''
    ? null
    : cpusOfGroup(root, { version, mountPoint, path: path.slice(0, path.lastIndexOf('/')) })
}
