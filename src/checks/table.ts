import type { WantedChecks } from '../host/check/read.js'
import { BOOT_CHECKS } from './boot.js'
import type { Check } from './check.js'
import { CONFIGURATION_CHECKS } from './configuration.js'
import { DEVICE_CHECKS } from './devices.js'
import { EVIDENCE_CHECKS } from './evidence.js'
import { INSTALL_CHECKS } from './install.js'
import { INTERRUPT_CHECKS } from './interrupts.js'
import { ISOLATION_CHECKS } from './isolation.js'
import { KERNEL_CHECKS } from './kernel.js'
import { KVM_CHECKS } from './kvm.js'
import { COMMAND_LINE, RELEASE } from './look.js'
import { MEMORY_CHECKS } from './memory.js'
import { POWER_CHECKS } from './power.js'
import { SCHEDULER_CHECKS } from './scheduler.js'
import { ISOLATED, ONLINE, PARTITIONS, PRESENT } from './sets.js'
import { SYSCTL_FILES } from './sysctl-files.js'
import { THREAD_CHECKS } from './threads.js'
import { TUNED_FILES } from './tuned.js'

/** Every check, by group and in the order in which they are printed. */
export const CHECKS: readonly Check[] = [
  ...KERNEL_CHECKS,
  ...BOOT_CHECKS,
  ...ISOLATION_CHECKS,
  ...SCHEDULER_CHECKS,
  ...THREAD_CHECKS,
  ...INTERRUPT_CHECKS,
  ...MEMORY_CHECKS,
  ...KVM_CHECKS,
  ...POWER_CHECKS,
  ...DEVICE_CHECKS,
  ...INSTALL_CHECKS,
  ...CONFIGURATION_CHECKS,
  ...EVIDENCE_CHECKS,
]

/** What every run reads: what the CPUs are for, which kernel it is, and what tuned and the files of sysctl.d set. */
const ALWAYS = [
  ONLINE,
  PRESENT,
  ISOLATED,
  ...PARTITIONS,
  COMMAND_LINE,
  RELEASE,
  ...TUNED_FILES,
  ...SYSCTL_FILES,
]

/** What all checks look at, each once: for reading a host, and for `capture`. */
export const WANTED: WantedChecks = {
  files: [...new Set([...ALWAYS, ...CHECKS.flatMap(({ reads }) => reads)])],
  owners: [...new Set(CHECKS.flatMap(({ owners = [] }) => owners))],
}
