import type { ThreadFact } from '../host/check/facts.js'
import { formatCpuMask, parseCpuMask } from '../units/cpu-mask.js'
import { type CpuSet, formatCpuSet, intersectCpuSets } from '../units/cpu-set.js'
import { byIsolcpus } from './boot.js'
import type { Check, Sets, Subject } from './check.js'
import { byBoot, byWrite } from './fixes.js'
import {
  howToIsolate,
  ISOLATION_ID,
  ISOLCPUS_FLAGS,
  isolcpusParameter,
  notIsolated,
} from './judge/isolation.js'
import { cpusOf, cpusText, few, isAbsent, isMissing, RELEASE, seesHost, textsOf, whyNot } from './look.js'
import { ISOLATED, isolatedByGroups, isolatedCpus, PARTITIONS, withoutReserved } from './sets.js'
import { met, missed, notHere, unknown } from './verdicts.js'

const OR_PARTITION = 'or run as root: qemu-rt host isolate (cgroup v2, Linux 6.8)'

const isolated: Check = {
  id: ISOLATION_ID,
  group: 'isolation',
  severity: 'fail',
  look: 'for isolated real-time CPUs',
  reads: [ISOLATED, ...PARTITIONS],
  isAboutRealtime: true,
  wanted: ({ realtime }) => formatCpuSet(realtime),
  judge: ({ facts, sets }) => {
    const cpus = isolatedCpus(facts)
    if (cpus === null) return unknown(whyNot(facts, ISOLATED))
    const left = notIsolated(sets.realtime, cpus)
    if (left.length === 0) return met(formatCpuSet(cpus))
    const byGroups = isolatedByGroups(facts)
    const fix =
      byGroups.length > 0
        ? howToIsolate(left, { isolated: cpus, isolatedByGroups: byGroups })
        : `${byIsolcpus({ facts, sets }, ISOLCPUS_FLAGS)}, ${OR_PARTITION}`
    return missed(isolated, `${cpusText(left)} not isolated`, fix)
  },
  why: 'The scheduler balances other threads onto a CPU that is not isolated, and kernel work that belongs to no CPU runs there.',
  fixedBy: 'command-line',
  fix: ({ realtime }) => `${byBoot(isolcpusParameter(realtime))}, ${OR_PARTITION}`,
  source:
    'Linux Documentation/admin-guide/cpu-isolation.rst; admin-guide/cgroup-v2.rst, cpuset.cpus.partition',
  tuned: [['bootloader', 'isolcpus']],
}

export const WORK = '/sys/devices/virtual/workqueue/cpumask'
const WORK_OF_ONE = '/sys/devices/virtual/workqueue/*/cpumask'
const WRITEBACK = '/sys/bus/workqueue/devices/writeback/cpumask'

const workqueues: Check = {
  id: 'isolation.workqueues',
  group: 'isolation',
  severity: 'warn',
  look: 'for kernel work kept off real-time CPUs',
  reads: [WORK, WORK_OF_ONE, WRITEBACK, RELEASE],
  isAboutRealtime: true,
  wanted: ({ realtime }) => `no CPU of ${formatCpuSet(realtime)}`,
  judge: ({ facts, sets }) => {
    if (isAbsent(facts, WORK)) return notHere('this kernel shows no workqueues')
    const general = textsOf(facts, WORK)[0]?.[1]
    const all = general === undefined ? null : parseCpuMask(general)
    if (all === null) return unknown(whyNot(facts, WORK))
    const touched = intersectCpuSets(all, sets.realtime)
    if (touched.length > 0)
      return missed(
        workqueues,
        `unbound work may run on ${cpusText(touched)}`,
        byWrite(WORK, formatCpuMask(withoutReserved(all, sets))),
      )
    // A queue's own mask counts within the general one (kernel/workqueue.c, wqattrs_actualize_cpumask), unless they share nothing.
    const own = textsOf(facts, WORK_OF_ONE).filter(([, text]) => {
      const mask = parseCpuMask(text) ?? []
      return intersectCpuSets(mask, all).length === 0 && intersectCpuSets(mask, sets.realtime).length > 0
    })
    if (own.length === 0) return met(`on ${cpusText(all)}`)
    return missed(
      workqueues,
      `queues for real-time CPUs alone: ${few(own.map(([path]) => nameOfQueue(path)))}`,
    )
  },
  why: 'Unbound work of the kernel, writeback above all, runs on any CPU of this mask. Isolated CPUs leave it by themselves since about Linux 6.8.',
  fixedBy: 'boot',
  fix: (sets) => byWrite(WORK, formatCpuMask(withoutReserved(null, sets))),
  source: "tuned's profile realtime; Linux Documentation/core-api/workqueue.rst, Affinity Scopes",
}

function nameOfQueue(path: string): string {
  return path.split('/').at(-2) ?? path
}

/** Threads that may run on a CPU, by name and number. */
function named(threads: readonly ThreadFact[]): string {
  return few(threads.map(({ name, tid }) => `${name} (${tid})`))
}

function touching(threads: readonly ThreadFact[], cpus: CpuSet): ThreadFact[] {
  const wanted = new Set(cpus)
  return threads.filter((thread) => thread.cpus.some((cpu) => wanted.has(cpu)))
}

/** Threads of the kernel's that may run on real-time CPUs and can be kept off. Those of interrupts follow their interrupt: see irq.affinity. */
export function kernelThreadsToMove({ facts, sets }: Subject): ThreadFact[] {
  const movable = (facts.threads ?? []).filter(
    ({ isKernels, isBound, name }) => isKernels && !isBound && !/^(irq\/|vhost-)/.test(name),
  )
  return touching(movable, sets.realtime)
}

/**
 * Takes the reserved CPUs from threads of the kernel's, a loop for each list of CPUs that they have now. They are found by their
 * parent, kthreadd: what a program calls itself must not decide what root does.
 */
function byMoving(threads: readonly Pick<ThreadFact, 'cpus'>[], sets: Sets): string {
  const byList = new Map(threads.map(({ cpus }) => [formatCpuSet(cpus), withoutReserved(cpus, sets)]))
  const loops = [...byList].map(
    ([now, wanted]) =>
      `for t in $(cat /proc/[0-9]*/status 2>/dev/null | awk '/^Name:/ {n = $2} /^Pid:/ {t = $2} /^PPid:/ {p = $2} /^Cpus_allowed_list:/ && $2 == "${now}" && (p == 2 || t == 2) && n !~ /^(irq|vhost)/ {print t}'); do taskset -cp ${formatCpuSet(wanted)} $t; done`,
  )
  return `run as root: ${loops.join('; ')} (the kernel refuses it for threads that are bound); booting with isolcpus= or nohz_full= keeps it so`
}

const kernelThreads: Check = {
  id: 'isolation.kernel-threads',
  group: 'isolation',
  severity: 'warn',
  look: 'for movable kernel threads kept off real-time CPUs',
  reads: [],
  also: 'threads of the kernel that are not bound to a CPU: flags and Cpus_allowed_list in /proc/TID',
  isAboutRealtime: true,
  wanted: ({ realtime }) => `none on ${formatCpuSet(realtime)}`,
  judge: (subject) => {
    const { facts } = subject
    if (facts.threads === null) return unknown(facts.whyNoThreads)
    const there = kernelThreadsToMove(subject)
    if (there.length === 0) return met('none')
    return missed(kernelThreads, `they may run there: ${named(there)}`, byMoving(there, subject.sets))
  },
  why: 'They migrate onto a CPU that they may use. kthreadd hands its CPUs on to every thread that it makes.',
  fixedBy: 'boot',
  fix: (sets) => byMoving([{ cpus: sets.online }], sets),
  source:
    'Linux Documentation/admin-guide/kernel-per-CPU-kthreads.rst; include/linux/sched.h, PF_NO_SETAFFINITY',
}

/** Processes of VMs, which are to be there: those in libvirt's slice, and QEMUs by what they call themselves. */
function isVm({ group, name }: ThreadFact): boolean {
  return group?.startsWith('/machine') === true || /^(qemu-|CPU \d+\/|kvm)/.test(name)
}

const userThreads: Check = {
  id: 'isolation.user-threads',
  group: 'isolation',
  severity: 'warn',
  look: 'for other programs kept off real-time CPUs',
  reads: [],
  also: 'Cpus_allowed_list of all threads of programs, but for those of VMs',
  isAboutRealtime: true,
  wanted: ({ realtime }) => `none on ${formatCpuSet(realtime)}`,
  judge: ({ facts, sets }) => {
    if (facts.threads === null) return unknown(facts.whyNoThreads)
    const vms = new Set(facts.threads.filter(isVm).map(({ pid }) => pid))
    const others = facts.threads.filter(({ isKernels, pid }) => !isKernels && !vms.has(pid))
    const there = touching(others, sets.realtime)
    const programs = new Set(there.map(({ pid }) => pid)).size
    return there.length === 0
      ? met('none')
      : missed(userThreads, `${there.length} threads of ${programs} programs may run there: ${named(there)}`)
  },
  why: 'A program that may use a real-time CPU runs there whenever the vCPU sleeps, and is in the cache when it wakes.',
  fixedBy: 'system',
  fix: (sets) =>
    `run as root: systemctl set-property system.slice AllowedCPUs=${formatCpuSet(withoutReserved(null, sets))}, and the same for user.slice and init.scope; and isolate the CPUs (cpu.isolated)`,
  source: "tuned's profile cpu-partitioning; SEAPATH; systemd.resource-control(5), AllowedCPUs=",
}

const SLICES = ['system.slice', 'user.slice']
const ROOTS = ['/sys/fs/cgroup', '/sys/fs/cgroup/cpuset']
const sliceFile = (root: string, slice: string) => `${root}/${slice}/cpuset.cpus.effective`

function byLimiting(
  slices: readonly { readonly slice: string; readonly cpus: CpuSet }[],
  sets: Sets,
): string {
  const commands = slices.map(
    ({ slice, cpus }) =>
      `systemctl set-property ${slice} AllowedCPUs=${formatCpuSet(withoutReserved(cpus, sets))}`,
  )
  return `run as root: ${commands.join('; ')}`
}

const slices: Check = {
  id: 'isolation.slices',
  group: 'isolation',
  severity: 'warn',
  look: 'for slices of the system without real-time CPUs',
  reads: [
    ...ROOTS.flatMap((root) => SLICES.map((slice) => sliceFile(root, slice))),
    '/sys/fs/cgroup/cgroup.controllers',
  ],
  isAboutRealtime: true,
  wanted: ({ realtime }) => `no CPU of ${formatCpuSet(realtime)}`,
  judge: ({ facts, sets }) => {
    const first = sliceFile('/sys/fs/cgroup', 'system.slice')
    const known = SLICES.flatMap((slice) => {
      const cpus = ROOTS.map((root) => cpusOf(facts, sliceFile(root, slice))).find((one) => one !== null)
      return cpus ? [{ slice, cpus }] : []
    })
    if (known.length === 0) {
      return seesHost(facts) && !isMissing(facts, '/sys/fs/cgroup/cgroup.controllers')
        ? missed(slices, 'no cpuset limits system.slice and user.slice')
        : unknown(whyNot(facts, first))
    }
    const wide = known.filter(({ cpus }) => intersectCpuSets(cpus, sets.realtime).length > 0)
    return wide.length === 0
      ? met(known.map(({ slice, cpus }) => `${slice} ${formatCpuSet(cpus)}`).join(', '))
      : missed(
          slices,
          wide.map(({ slice, cpus }) => `${slice} has ${cpusText(cpus)}`).join(', '),
          byLimiting(wide, sets),
        )
  },
  why: 'A service that sets its own affinity gets no further than its slice.',
  fixedBy: 'system',
  fix: (sets) =>
    byLimiting(
      SLICES.map((slice) => ({ slice, cpus: sets.online })),
      sets,
    ),
  source: 'SEAPATH; systemd.resource-control(5), AllowedCPUs=',
}

export const ISOLATION_CHECKS: readonly Check[] = [isolated, workqueues, kernelThreads, userThreads, slices]
