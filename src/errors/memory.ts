import { EXIT, type UserError, userError } from './user-error.js'

/**
 * @param facts.needed what is more than the limit: `the guest's RAM of 4 GiB`
 * @param facts.where what locks it
 */
export function lockLimitTooLow(facts: {
  readonly needed: string
  readonly limit: string
  readonly where: string
  /** What libvirt's daemon needs: `LimitMEMLOCK=infinity`. */
  readonly daemonLimit: string
}): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `this user may lock ${facts.limit}, which is not enough for ${facts.needed}`,
    where: facts.where,
    todo: `set ${facts.daemonLimit} for libvirtd or virtqemud, <memoryBacking><locked/> in the domain, or 'ulimit -l unlimited'`,
  })
}

/** RAM is to be backed, and nothing says how much of it there is. */
export function ramSizeUnknown(facts: { readonly machine: string | null }): UserError {
  const machine = facts.machine === null ? 'no machine type is given' : `machine type '${facts.machine}'`
  return userError({
    exitCode: EXIT.input,
    what: "the size of the guest's RAM is not known",
    where: `${machine}, without -m`,
    todo: "write it with -m; QEMU's own default is in query-memory-size-summary of its monitor",
  })
}

export function hugePageSizeMissing(facts: {
  readonly profile: string
  readonly size: string
  readonly sizes: readonly string[]
  readonly todo: string
}): UserError {
  const has = facts.sizes.length === 0 ? 'it has none' : `it has ${facts.sizes.join(' and ')}`
  return userError({
    exitCode: EXIT.unavailable,
    what: `this host has no huge pages of ${facts.size}`,
    where: `hugepages of profile '${facts.profile}'`,
    todo: `${has}; ${facts.todo}`,
  })
}

export function tooFewHugePages(facts: {
  readonly profile: string
  readonly size: string
  readonly needed: number
  readonly free: number
  /** What the kernel may make besides. */
  readonly surplus: number
  /** Where pages are short; none for the host as a whole. */
  readonly nodes: readonly number[]
  /** Whether these are the only nodes that the cpuset allows. */
  readonly byCpuset: boolean
  /** How pages are added. */
  readonly todo: string
}): UserError {
  const { nodes, surplus, byCpuset } = facts
  const only = byCpuset ? ', all that the cpuset allows,' : ''
  const ofNodes =
    nodes.length > 1 ? `NUMA nodes ${nodes.join(', ')}${only} have` : `NUMA node ${nodes[0]}${only} has`
  const have = nodes.length === 0 ? 'this host has' : ofNodes
  const more = surplus === 0 ? '' : ` and the kernel may make ${surplus}`
  return userError({
    exitCode: EXIT.unavailable,
    what: `the guest needs ${facts.needed} huge pages of ${facts.size}, ${have} ${facts.free} free${more}`,
    where: `hugepages of profile '${facts.profile}'`,
    todo: byCpuset
      ? `stop another VM, let the cpuset have another node (cpuset.mems of QEMU's cgroup), or add pages: ${facts.todo}`
      : `stop another VM, or add pages: ${facts.todo}`,
  })
}

/** A control group ends QEMU by SIGBUS, or QEMU says "Insufficient free host memory pages". */
export function hugePagesLimited(facts: {
  readonly profile: string
  readonly size: string
  readonly needed: number
  readonly left: number
  readonly file: string
}): UserError {
  return userError({
    exitCode: EXIT.unavailable,
    what: `the guest needs ${facts.needed} huge pages of ${facts.size}, QEMU's cgroup may have ${facts.left} more (${facts.file})`,
    where: `hugepages of profile '${facts.profile}'`,
    todo: 'raise that limit (Kubernetes: resources.limits of the pod), or give the guest less memory',
  })
}

/** QEMU: "cannot bind memory to host NUMA nodes: Invalid argument". */
export function boundBeyondCpuset(facts: {
  readonly memory: string
  readonly nodes: readonly number[]
  readonly allowed: readonly number[]
}): UserError {
  const { nodes } = facts
  return userError({
    exitCode: EXIT.unavailable,
    what: `${facts.memory} is bound to NUMA node${nodes.length > 1 ? 's' : ''} ${nodes.join(', ')}, and the cpuset allows only ${facts.allowed.join(', ')}`,
    where: 'policy=bind, and Mems_allowed_list of /proc/self/status',
    todo: "bind it to an allowed node, or give QEMU's cgroup the node (cpuset.mems)",
  })
}

export function notWholeHugePages(facts: {
  /** `memory backend 'ram0'`, `requested-size of virtio-mem-pci 'vm0'`. */
  readonly memory: string
  readonly bytes: string
  readonly size: string
}): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `${facts.memory} of ${facts.bytes} is not a multiple of the huge page size ${facts.size}`,
    todo: 'change the memory size, or the huge page size of the profile',
  })
}

/** QEMU: "'block-size' property has to be at least the page size". */
export function blockBelowPageSize(facts: {
  readonly device: string
  readonly block: string
  readonly size: string
}): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `block-size ${facts.block} of ${facts.device} is less than a huge page of ${facts.size}`,
    todo: `give the device block-size=${facts.size}, or the profile smaller huge pages`,
  })
}

/** QEMU: "Incompatible with mlock"; all of the memory would be there, where virtio-mem has most of it absent. */
export function lockExcludesVirtioMem(facts: {
  readonly profile: string
  readonly device: string
}): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `QEMU locks no memory beside ${facts.device}`,
    where: `lock-memory of profile '${facts.profile}'`,
    todo: 'take lock-memory from the profile (huge pages are never swapped out), or give the VM its memory as RAM or DIMMs',
  })
}
