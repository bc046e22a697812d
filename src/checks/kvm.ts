import type { Check } from './check.js'
import { byModule } from './fixes.js'
import { isAbsent, RELEASE, seesHost, textOf, whyNot } from './look.js'
import { isOn, value } from './make.js'
import { met, missed, noted, notHere, unknown } from './verdicts.js'

const NO_KVM = 'the module is not loaded, or has no such parameter on this machine'
const TUNED_HOST = "tuned's profile realtime-virtual-host"

const device: Check = {
  id: 'kvm.device',
  group: 'kvm',
  severity: 'fail',
  look: 'for /dev/kvm',
  reads: [],
  owners: ['/dev/kvm'],
  wanted: () => 'there',
  judge: ({ facts }) => {
    if (facts.owners === null) return unknown(facts.whyNoThreads)
    if (facts.owners.has('/dev/kvm')) return met('there')
    return seesHost(facts)
      ? missed(device, '/dev/kvm is not there')
      : unknown('/dev/kvm is not to be seen from here')
  },
  why: 'Without it QEMU emulates each instruction, and nothing is real-time.',
  fixedBy: 'firmware',
  fix: () =>
    'run as root: modprobe kvm_intel (Intel) or kvm_amd (AMD); when that fails, turn on VT-x or AMD-V in the firmware',
  source: 'Linux Documentation/virt/kvm/api.rst',
}

const nxHugePages = value({
  id: 'kvm.nx-huge-pages',
  group: 'kvm',
  severity: 'warn',
  look: 'for huge pages that KVM does not split',
  path: '/sys/module/kvm/parameters/nx_huge_pages',
  isGood: (text) => !isOn(text),
  wanted: 'N',
  why: 'KVM splits huge pages of code for CPUs with the iTLB multihit fault, and a thread joins them again: about 100 µs in oslat.',
  fixedBy: 'module',
  fix: `only where every guest is trusted, since a guest can halt such a CPU (Linux Documentation/admin-guide/hw-vuln/multihit.rst): ${byModule('kvm', 'nx_huge_pages=0')}`,
  source: 'tuned e4a0e48; Linux Documentation/admin-guide/hw-vuln/multihit.rst',
  whenMissing: NO_KVM,
})

const periodicSync = value({
  id: 'kvm.kvmclock-periodic-sync',
  group: 'kvm',
  severity: 'warn',
  look: "for periodic updates of guests' clocks being off",
  path: '/sys/module/kvm/parameters/kvmclock_periodic_sync',
  isGood: (text) => !isOn(text),
  wanted: 'N',
  why: 'Every five minutes KVM kicks all vCPUs out of the guest to correct kvmclock by the time of NTP.',
  fixedBy: 'module',
  fix: byModule('kvm', 'kvmclock_periodic_sync=0'),
  source: TUNED_HOST,
  whenMissing: NO_KVM,
})

const pauseLoops = value({
  id: 'kvm.pause-loop-exits',
  group: 'kvm',
  severity: 'warn',
  look: 'for exits of spinning guests being off (Intel)',
  path: '/sys/module/kvm_intel/parameters/ple_gap',
  isGood: (text) => text === '0',
  wanted: '0',
  why: 'A guest that spins is descheduled to let another vCPU run, but with a CPU per vCPU no other vCPU waits.',
  fixedBy: 'module',
  fix: byModule('kvm_intel', 'ple_gap=0'),
  source: TUNED_HOST,
  whenMissing: NO_KVM,
})

const HALT_POLL = '/sys/module/kvm/parameters/halt_poll_ns'

const haltPoll: Check = {
  id: 'kvm.halt-poll',
  group: 'kvm',
  severity: 'note',
  look: 'for how long KVM polls when a guest halts',
  reads: [HALT_POLL, RELEASE],
  wanted: () => 'nothing: it depends on cpu-pm',
  judge: ({ facts }) => {
    if (isAbsent(facts, HALT_POLL)) return notHere(NO_KVM)
    const text = textOf(facts, HALT_POLL)
    if (text === null) return unknown(whyNot(facts, HALT_POLL))
    return noted(
      `${text} ns; SEAPATH has 0; with -overcommit cpu-pm=on the guest halts its CPU itself, and nobody polls`,
    )
  },
  why: 'Polling wakes a vCPU sooner, and keeps its CPU busy for as long.',
  fixedBy: null,
  fix: () => '',
  source: 'SEAPATH; Linux Documentation/virt/kvm/halt-polling.rst',
}

/** In nanoseconds, -1 to find out; newer kernels have only whether (arch/x86/kvm/lapic.c). */
const ADVANCE = [
  '/sys/module/kvm/parameters/lapic_timer_advance_ns',
  '/sys/module/kvm/parameters/lapic_timer_advance',
]

const timerAdvance: Check = {
  id: 'kvm.lapic-timer-advance',
  group: 'kvm',
  severity: 'warn',
  look: "for guests' timers that are raised ahead",
  reads: [...ADVANCE, RELEASE],
  wanted: () => 'lapic_timer_advance_ns not 0, or lapic_timer_advance Y',
  judge: ({ facts }) => {
    const [text] = ADVANCE.flatMap((path) => textOf(facts, path) ?? [])
    if (text !== undefined) return /^(0|N)$/.test(text) ? missed(timerAdvance, text) : met(text)
    return ADVANCE.every((path) => isAbsent(facts, path))
      ? notHere(NO_KVM)
      : unknown(whyNot(facts, ADVANCE[0] ?? ''))
  },
  why: 'KVM lets the timer expire early by as long as it takes to enter the guest; without, each timer of a guest is late by that.',
  fixedBy: 'module',
  fix: () =>
    'take lapic_timer_advance and lapic_timer_advance_ns out of /etc/modprobe.d and reboot: KVM finds out by itself how long it takes',
  source: `${TUNED_HOST}; Linux arch/x86/kvm/lapic.c`,
}

export const KVM_CHECKS: readonly Check[] = [
  device,
  nxHugePages,
  periodicSync,
  pauseLoops,
  haltPoll,
  timerAdvance,
]
