import { formatCpuSet } from '../units/cpu-set.js'
import type { Check } from './check.js'
import { few, isAbsent, textOf, whyNot } from './look.js'
import { ACTIVE_PROFILE, readTuned, TUNED_FILES, TUNED_PID } from './tuned.js'
import { met, missed, noted, notHere, unknown } from './verdicts.js'

const log: Check = {
  id: 'evidence.kernel-log',
  group: 'evidence',
  severity: 'warn',
  look: 'for a kernel log without stalls and throttling',
  reads: [],
  also: '/dev/kmsg: lines about RCU stalls, lockups and throttling; nothing else of it is kept',
  wanted: () => 'no "detected stalls", "RT throttling activated" or lockup since boot',
  judge: ({ facts }) => {
    if (facts.kernelLog === null) return unknown(facts.whyNoLog)
    return facts.kernelLog.length === 0 ? met('none') : missed(log, few(facts.kernelLog, 2))
  },
  why: 'It has happened on this host since it was booted. What is older than the log is not seen.',
  fixedBy: null,
  fix: () => 'see sched.rt-throttling, threads.* and isolation.*; after a reboot the log is new',
  source: 'SEAPATH; Linux Documentation/RCU/stallwarn.rst',
}

const firmware: Check = {
  id: 'evidence.hardware-latency',
  group: 'evidence',
  severity: 'note',
  look: 'for gaps that the hardware makes',
  reads: [],
  also: 'nothing: it has to be measured',
  isAboutRealtime: true,
  wanted: () => 'no gap over 10 µs',
  judge: () => noted('it is not measured here'),
  why: 'Firmware takes CPUs away for what it does (SMIs), and no setting of Linux helps.',
  fixedBy: 'firmware',
  fix: ({ realtime }) =>
    `measure it while no VM runs, as root: rtla hwnoise -c ${formatCpuSet(realtime)} -d 10m; when there is more, look for the maker's guide to the firmware's settings for low latency`,
  source:
    'Linux Documentation/core-api/real-time/hardware.rst, Firmware; Documentation/tools/rtla/rtla-hwnoise.rst',
}

const tuned: Check = {
  id: 'evidence.tuned-profile',
  group: 'evidence',
  severity: 'note',
  look: "for a profile of tuned's all of whose includes are known",
  reads: TUNED_FILES,
  wanted: () => 'no variable in an include= whose value is not known',
  judge: ({ facts }) => {
    const gone = [ACTIVE_PROFILE, TUNED_PID].find((path) => textOf(facts, path) === null)
    if (gone !== undefined)
      return isAbsent(facts, gone) ? notHere('no profile of tuned is active') : unknown(whyNot(facts, gone))
    const { unknown: names } = readTuned(facts)
    if (names.length > 0) return missed(tuned, `${few(names, 2)}, and which profile that is is not known`)
    return met('all are')
  },
  why: 'What tuned sets it sets back. Where it is not known which profiles it has, other lines do not name the profile that sets a value.',
  fixedBy: null,
  fix: () => 'see which profiles it has, as root: tuned-adm profile_info',
  source: "tuned.conf(5), include; tuned's variables.py",
}

export const EVIDENCE_CHECKS: readonly Check[] = [log, firmware, tuned]
