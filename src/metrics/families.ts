/** Metrics that `status --format prometheus` tells, in base units (prometheus.io/docs/practices/naming). */
export interface Family {
  readonly name: string
  readonly kind: 'gauge' | 'counter'
  readonly help: string
  readonly labels: readonly string[]
}

/** One table for the exposition, docs/metrics.md and their tests. */
export const FAMILIES = {
  up: {
    name: 'qemu_rt_up',
    kind: 'gauge',
    help: '1: configuration and host could be read. 0: they could not; the only other metric is the version.',
    labels: [],
  },
  build: {
    name: 'qemu_rt_build_info',
    kind: 'gauge',
    help: 'The version of qemu-rt.',
    labels: ['version'],
  },
  vm: {
    name: 'qemu_rt_vm_info',
    kind: 'gauge',
    help: 'A VM that root has a record of.',
    labels: ['domain', 'uuid', 'profile'],
  },
  others: {
    name: 'qemu_rt_other_vms',
    kind: 'gauge',
    help: 'VMs without a record; they have no other metric.',
    labels: [],
  },
  drifted: {
    name: 'qemu_rt_thread_drifted',
    kind: 'gauge',
    help: 'How many of these threads are not as planned: CPUs, policy or priority differ.',
    labels: ['domain', 'role', 'thread'],
  },
  missing: {
    name: 'qemu_rt_threads_missing',
    kind: 'gauge',
    help: 'Planned threads that are not there or have no CPU yet.',
    labels: ['domain'],
  },
  switches: {
    name: 'qemu_rt_vcpu_involuntary_switches_total',
    kind: 'counter',
    help: 'How often a vCPU was taken off its CPU while it had work.',
    labels: ['domain', 'vcpu'],
  },
  runDelay: {
    name: 'qemu_rt_vcpu_run_delay_seconds_total',
    kind: 'counter',
    help: 'How long a vCPU was ready to run and waited for its CPU.',
    labels: ['domain', 'vcpu'],
  },
  foreign: {
    name: 'qemu_rt_cpu_foreign_threads',
    kind: 'gauge',
    help: 'Threads of programs other than VMs that may run on a real-time CPU.',
    labels: ['cpu'],
  },
  interrupts: {
    name: 'qemu_rt_cpu_device_interrupts_total',
    kind: 'counter',
    help: 'Interrupts of devices that a real-time CPU has had since boot.',
    labels: ['cpu'],
  },
  free: {
    name: 'qemu_rt_cpus_free',
    kind: 'gauge',
    help: 'Real-time CPUs that no VM uses.',
    labels: ['node'],
  },
  check: {
    name: 'qemu_rt_host_check',
    kind: 'gauge',
    help: 'Result of a host check: 0 passed or noted, 1 warning, 2 failure; absent when unknown.',
    labels: ['id', 'severity'],
  },
  nicDevices: {
    name: 'qemu_rt_nic_devices',
    kind: 'gauge',
    help: "Devices of this host that the NIC's name matches; for a pool, IOMMU groups.",
    labels: ['nic'],
  },
  nicReady: {
    name: 'qemu_rt_nic_ready',
    kind: 'gauge',
    help: 'How many of them a VM has or can have.',
    labels: ['nic'],
  },
  jitterWorst: {
    name: 'qemu_rt_jitter_worst_seconds',
    kind: 'gauge',
    help: 'The worst value of the latest saved result of jitter.',
    labels: ['mode', 'profile'],
  },
  jitterTime: {
    name: 'qemu_rt_jitter_time_seconds',
    kind: 'gauge',
    help: 'When that was measured.',
    labels: ['mode', 'profile'],
  },
} as const satisfies Readonly<Record<string, Family>>

export type FamilyName = keyof typeof FAMILIES

/** A value with its labels, in the order of the family's. */
export interface Sample {
  readonly family: FamilyName
  readonly labels: readonly string[]
  readonly value: number
}
