/** What a warning is about. */
export type WarningKind =
  | 'no-data'
  | 'unseen'
  | 'other-device'
  | 'other-host'
  | 'ram-name'
  | 'private-later'
  | 'kept'
  | 'stale-entry'
  | 'passed-over'
  | 'kept-away'
  | 'held-cpu'
  | 'contradiction'
  | 'placement'
  | 'limit'
  | 'unprepared'

/** Whom a warning reaches when the VM is started, and why that is enough. Dry runs show all. */
interface Reach {
  /** `log`: whatever stderr is, which for a service is its log. `terminal`: a person who starts the VM by hand. */
  readonly reaches: 'log' | 'terminal'
  readonly because: string
}

/**
 * Kinds of warnings. What may mean that no packet moves, that the guest gets another device, or that the host keeps no
 * real-time promise, reaches the log of the service that has started the VM: nothing else says so later. Of the other kinds a
 * start says nothing there, since libvirt shows the end of its log when a start fails, where QEMU's own words should stand.
 */
export const WARNINGS: Readonly<Record<WarningKind, Reach>> = {
  'no-data': {
    reaches: 'log',
    because:
      'QEMU starts, and the device moves nothing. No error: share = "never" is the word of the configuration, and a ' +
      'backend that is not known here may be shared by itself',
  },
  unseen: {
    reaches: 'log',
    because:
      'a device there may be one that another VM has, or need shared RAM. No error: QEMU reads what comes out of a pipe, ' +
      'and speaks itself of a file that is not there',
  },
  'other-device': {
    reaches: 'log',
    because:
      'the guest may get a device twice, or another than is meant. No error: which one a descriptor stands for is seen only ' +
      'where it is open',
  },
  'other-host': {
    reaches: 'terminal',
    because: 'whoever starts the VM has named the sysroot; a domain is refused one',
  },
  'ram-name': { reaches: 'terminal', because: 'a migration that does not find its RAM ends with an error' },
  'private-later': { reaches: 'terminal', because: 'nothing uses this memory at the start' },
  kept: {
    reaches: 'terminal',
    because: 'memory is left where somebody has put it, and it is none that packets are in',
  },
  'stale-entry': {
    reaches: 'terminal',
    because: 'the entry is ignored, so that a NIC that only it names is refused with an error',
  },
  'passed-over': {
    reaches: 'terminal',
    because: "it holds for every VM that libvirt's hook has not asked for",
  },
  'kept-away': {
    reaches: 'log',
    because: 'a real-time vCPU may starve emulator threads there. No error: the profile is not strict',
  },
  'held-cpu': {
    reaches: 'log',
    because:
      "another VM's real-time vCPU may keep threads there from running. No error: they may have other CPUs besides, and who " +
      'holds a CPU need not use it',
  },
  contradiction: {
    reaches: 'terminal',
    because: "only a plan of a domain's XML has it; libvirt's hook says it in the domain's log",
  },
  unprepared: {
    reaches: 'log',
    because:
      'the host is not set up for real-time VMs, and whoever starts them by a service sees no terminal. No error: the VM ' +
      "runs, late now and then. Of a domain libvirt's hook says it when the VM has started",
  },
  limit: {
    reaches: 'terminal',
    because:
      'the tuner says it in the log when the kernel has refused, which it may not: chrt can have a capability of its own',
  },
  placement: {
    reaches: 'terminal',
    because: 'it costs time and takes nothing away; `qemu-rt status` shows it',
  },
}
