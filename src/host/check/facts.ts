import type { CpuSet } from '../../units/cpu-set.js'

/** What a file says, or why that is not known: the errno name, `ENOENT` when it is not there. */
export type FileFact = { readonly text: string } | { readonly text: null; readonly why: string }

/** Whose a file is, and who may do what. */
export interface OwnerFact {
  readonly kind: 'file' | 'directory' | 'device' | 'other'
  readonly uid: number
  readonly gid: number
  /** The permission bits, with those for set-ID and sticky. */
  readonly mode: number
}

/** A thread of the host, as far as checks look at it. */
export interface ThreadFact {
  readonly pid: number
  readonly tid: number
  /** comm: what the thread calls itself, so it decides nothing but for the kernel's own. */
  readonly name: string
  readonly isKernels: boolean
  /** The kernel refuses to change its CPUs (PF_NO_SETAFFINITY). */
  readonly isBound: boolean
  readonly policy: 'other' | 'fifo' | 'rr' | 'batch' | 'idle' | 'deadline'
  /** 0 for best effort, else 1 to 99. */
  readonly priority: number
  readonly cpus: CpuSet
  /** Path of its control group, in v2's hierarchy or in cpuset's; null when it is not known. */
  readonly group: string | null
}

/** What a daemon of libvirt's may ask the kernel for, which QEMU has from it; bytes or a priority. */
export interface DaemonFact {
  readonly name: string
  readonly realtimePriority: number | 'unlimited'
  readonly lockedMemory: number | 'unlimited'
}

/** What the checks of a host look at. Plain data: what was read beneath a sysroot, or comes with a captured host. */
export interface CheckFacts {
  /** By path; and by pattern, for one of which no file could be read: why. */
  readonly files: ReadonlyMap<string, FileFact>
  /** By path; what is not there is not in it. Null when nobody has looked: of a host that was captured by an earlier version. */
  readonly owners: ReadonlyMap<string, OwnerFact> | null
  /** Null with the reason when the host's threads were not seen. */
  readonly threads: readonly ThreadFact[] | null
  readonly whyNoThreads: string
  /** Lines of the kernel's log that tell of stalls and throttling; null with the reason when it was not read. */
  readonly kernelLog: readonly string[] | null
  readonly whyNoLog: string
  readonly daemons: readonly DaemonFact[]
  /** Of the kernel's build configuration; the options that checks ask for. */
  readonly kernelConfig: FileFact
}
