import type { Check } from './check.js'
import { fairServerOf, judgeThrottling, THROTTLING_ID, UNTHROTTLE } from './judge/throttling.js'
import { hasGroupScheduling } from './kernel.js'
import { COMMAND_LINE, cpusText, isAbsent, isMissing, numberOf, RELEASE, releaseOf, whyNot } from './look.js'
import { sysctl } from './make.js'
import { met, missed, noted, notHere, unknown } from './verdicts.js'

const THROTTLING = '/proc/sys/kernel/sched_rt_runtime_us'

const throttling: Check = {
  id: THROTTLING_ID,
  group: 'scheduler',
  severity: 'fail',
  look: 'for real-time threads that are not throttled',
  reads: [THROTTLING, RELEASE, COMMAND_LINE],
  also: "CONFIG_RT_GROUP_SCHED of the kernel's build configuration",
  wanted: () => 'kernel.sched_rt_runtime_us = -1',
  judge: (subject) => {
    const { facts } = subject
    const { level, what, todo } = judgeThrottling({
      runtime: numberOf(facts, THROTTLING),
      release: releaseOf(facts),
      hasGroups: hasGroupScheduling(subject),
    })
    return level === 'unknown' ? unknown(whyNot(facts, THROTTLING)) : { level, found: what, fix: todo ?? '' }
  },
  why: 'A vCPU that is busy all the time is stopped for the rest of each period, by default for 50 ms of every second. Linux 6.12 and later do so for groups alone, and have the fair server: see sched.fair-server.',
  fixedBy: 'sysctl',
  fix: () => UNTHROTTLE,
  source: 'tuned\'s profile realtime; sched(7); Linux 6.12, "sched/rt: Remove default bandwidth control"',
}

const FAIR_SERVERS = '/sys/kernel/debug/sched/fair_server/cpu*/runtime'

const fairServer: Check = {
  id: 'sched.fair-server',
  group: 'scheduler',
  severity: 'warn',
  look: 'for real-time CPUs without the fair server',
  reads: [FAIR_SERVERS, RELEASE],
  isAboutRealtime: true,
  wanted: () => '0 on real-time CPUs alone (Linux 6.12 and later)',
  judge: ({ facts, sets }) => {
    const release = releaseOf(facts)
    if (release === null) return unknown(whyNot(facts, RELEASE))
    const times = (cpus: readonly number[]) =>
      cpus.map((cpu) => {
        const runtime = numberOf(facts, FAIR_SERVERS.replace('*', `${cpu}`))
        return { cpu, runtime, server: fairServerOf(release, runtime) }
      })
    const served = times(sets.realtime)
    if (served.every(({ server }) => server === 'none')) return notHere('this kernel has none')
    if (served.every(({ server }) => server === 'unknown'))
      return unknown(
        isMissing(facts, FAIR_SERVERS)
          ? `${FAIR_SERVERS} is not there; run as root: mount -t debugfs none /sys/kernel/debug`
          : whyNot(facts, FAIR_SERVERS),
      )
    const on = served.filter(({ server }) => server === 'on')
    if (on.length > 0) {
      const share = Math.max(...on.map(({ runtime }) => runtime ?? 0)) / 1e6
      return missed(fairServer, `up to ${share} ms a second on ${cpusText(on.map(({ cpu }) => cpu))}`)
    }
    const off = times(sets.housekeeping).filter(({ server }) => server === 'off')
    return off.length === 0
      ? met('0')
      : missed(
          fairServer,
          `it is off on housekeeping ${cpusText(off.map(({ cpu }) => cpu))}, too, where real-time threads may starve the system`,
          `run as root: for c in ${off.map(({ cpu }) => cpu).join(' ')}; do echo 50000000 >/sys/kernel/debug/sched/fair_server/cpu$c/runtime; done`,
        )
  },
  why: 'When a best-effort thread waits on a real-time CPU, the kernel stops the vCPU for it, for up to 50 ms of every second. With 0 that thread starves instead: keep all threads off first (isolation.*).',
  fixedBy: 'boot',
  fix: ({ realtime }) =>
    `run as root, once isolation.* passes: for c in ${realtime.join(' ')}; do echo 0 >/sys/kernel/debug/sched/fair_server/cpu$c/runtime; done; to keep it, have a unit do so at boot`,
  source: 'Linux 6.12, kernel/sched/debug.c, sched_fair_server_write; ni/meta-nilrt 864',
}

const TIMER_MIGRATION = '/proc/sys/kernel/timer_migration'

const timerMigration: Check = {
  id: 'sched.timer-migration',
  group: 'scheduler',
  severity: 'note',
  look: 'for timers that stay where they are',
  reads: [TIMER_MIGRATION, RELEASE],
  wanted: () => 'nothing: the sources disagree',
  judge: ({ facts }) => {
    if (isAbsent(facts, TIMER_MIGRATION)) return notHere('this kernel has no such setting')
    const value = numberOf(facts, TIMER_MIGRATION)
    if (value === null) return unknown(whyNot(facts, TIMER_MIGRATION))
    return noted(
      `kernel.timer_migration is ${value}; tuned and ACRN want 0, OpenShift wants 1, so that timers leave CPUs that are isolated later`,
    )
  },
  why: 'With 1 timers of idle CPUs are moved to busy ones, which may be a real-time one; with 0 those that were started there stay.',
  fixedBy: null,
  fix: () => '',
  source: "tuned's profile network-latency; ACRN; OpenShift's openshift-node-performance",
}

const statInterval = sysctl({
  id: 'sched.vm-stat-interval',
  group: 'scheduler',
  severity: 'warn',
  name: 'vm.stat_interval',
  look: 'for memory statistics that are gathered seldom',
  value: 10,
  isGood: (value) => value >= 10,
  wanted: 'vm.stat_interval = 10 or more',
  why: 'Each CPU folds its counters in a worker of its own, every second by default.',
  source: "tuned's profile network-latency; Linux Documentation/admin-guide/sysctl/vm.rst",
  whenMissing: 'this kernel has no such statistics',
})

const hungTask = sysctl({
  id: 'sched.hung-task-timeout',
  group: 'scheduler',
  severity: 'note',
  name: 'kernel.hung_task_timeout_secs',
  look: 'for a hung task detector that is patient',
  value: 600,
  isGood: (value) => value === 0 || value >= 600,
  wanted: 'kernel.hung_task_timeout_secs = 600 or more, or 0',
  why: 'A busy real-time vCPU may keep a kernel thread of its CPU waiting for minutes, which is then reported, or ends in a panic where that is set.',
  source: "tuned's profile network-latency",
  whenMissing: 'this kernel has no such detector',
})

const stalld: Check = {
  id: 'sched.stalld',
  group: 'scheduler',
  severity: 'note',
  look: 'for stalld',
  reads: [],
  also: 'names of threads',
  wanted: () => 'nothing: a site decides',
  judge: ({ facts }) => {
    if (facts.threads === null) return unknown(facts.whyNoThreads)
    const runs = facts.threads.some(({ isKernels, name }) => !isKernels && name === 'stalld')
    return noted(
      runs
        ? 'it runs, and boosts threads that starve on real-time CPUs for microseconds at a time'
        : 'it does not run: a thread that starves on a real-time CPU stays so',
    )
  },
  why: 'stalld keeps a host alive whose real-time threads never sleep, at the price of short stalls. OpenShift runs it.',
  fixedBy: null,
  fix: () => '',
  source: "OpenShift's openshift-node-performance",
}

export const SCHEDULER_CHECKS: readonly Check[] = [
  throttling,
  fairServer,
  timerMigration,
  statInterval,
  hungTask,
  stalld,
]
