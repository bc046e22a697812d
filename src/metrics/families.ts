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
    help: 'Whether configuration and host could be read (1), or not (0) and only the version is told besides.',
    labels: [],
  },
  build: {
    name: 'qemu_rt_build_info',
    kind: 'gauge',
    help: 'The version that has told this.',
    labels: ['version'],
  },
  vm: {
    name: 'qemu_rt_vm_info',
    kind: 'gauge',
    help: 'A VM of which root has a record.',
    labels: ['domain', 'uuid', 'profile'],
  },
  others: {
    name: 'qemu_rt_other_vms',
    kind: 'gauge',
    help: 'VMs of which root has no record; nothing else is told of them.',
    labels: [],
  },
  drifted: {
    name: 'qemu_rt_thread_drifted',
    kind: 'gauge',
    help: 'How many of these threads do not have the CPUs, policy or priority of the plan.',
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
    help: 'Real-time CPUs that no plan of a VM has.',
    labels: ['node'],
  },
  check: {
    name: 'qemu_rt_host_check',
    kind: 'gauge',
    help: 'What host check says: 0 passed or noted, 1 warning, 2 failure; absent when it is not known.',
    labels: ['id', 'severity'],
  },
  nicDevices: {
    name: 'qemu_rt_nic_devices',
    kind: 'gauge',
    help: 'Devices that a configured NIC means here; of a pool, its IOMMU groups.',
    labels: ['nic'],
  },
  nicReady: {
    name: 'qemu_rt_nic_ready',
    kind: 'gauge',
    help: 'How many of them can be given to a VM, or are.',
    labels: ['nic'],
  },
  jitterWorst: {
    name: 'qemu_rt_jitter_worst_seconds',
    kind: 'gauge',
    help: 'The worst of the latest saved result of jitter.',
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
