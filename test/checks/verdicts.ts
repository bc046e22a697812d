import { thread } from '../../fixtures/make-hosts/check-host.js'
import type { Level } from '../../src/errors/finding.js'
import { type Change, READY } from './ready.js'

/** A host that is ready but for a change, and how a check ends there. */
export interface Case extends Change {
  readonly level: Level
  /** What is told of it: what is there. */
  readonly found: RegExp
  /** Null where nothing is advised. */
  readonly fix?: RegExp | null
}

const CPU = '/sys/devices/system/cpu'
const WORK = '/sys/devices/virtual/workqueue'
const KVM = '/sys/module/kvm/parameters'
const HOOK = '/etc/libvirt/hooks/qemu.d/qemu-rt'
const OLD = { '/proc/sys/kernel/osrelease': '6.1.0-13-rt-amd64' }
const NOT_RT = { '/proc/version': 'Linux version 6.12.0 #1 SMP PREEMPT_DYNAMIC' }
const config = (text: string) => ({ facts: { kernelConfig: { text } } })
const program = (name: string, cpus: string, more = {}) =>
  thread(700, name, cpus, { isKernels: false, ...more })
const withThread = (name: string, cpus: string, more = {}) => ({
  moreThreads: [thread(70, name, cpus, more)],
})
/** Interrupts of a device that are not remapped. */
const UNMAPPED = { '/sys/kernel/irq/24/chip_name': 'PCI-MSIX-0000:01:00.0' }

const NIC = { name: 'fieldbus0', error: null, nodes: [0], obstacles: [] }
const NODES = { 0: [0, 1], 1: [2, 3] }
const cmdline = (text: string) => ({ '/proc/cmdline': text })
const rtProfile = (priority: number) => [{ name: 'rt', priority, hugepages: null, lockMemory: false }]

const sysctlCases = (name: string, bad: number, level: Level, good: readonly number[] = []): Case[] => {
  const path = `/proc/sys/${name.replaceAll('.', '/')}`
  return [
    {
      files: { [path]: `${bad}` },
      level,
      found: new RegExp(`${name} is ${bad}`),
      fix: new RegExp(`sysctl -w ${name}=`),
    },
    { files: { [path]: null }, level: 'pass', found: /this kernel/ },
    { files: { [path]: 'many' }, level: 'unknown', found: /many/ },
    ...good.map(
      (value): Case => ({ files: { [path]: `${value}` }, level: 'pass', found: new RegExp(`^${value}$`) }),
    ),
  ]
}

const valueCases = (path: string, bad: string, level: Level, good: readonly string[] = []): Case[] => [
  { files: { [path]: bad }, level, found: /is / },
  { files: { [path]: null }, level: 'pass', found: /./ },
  ...good.map((text): Case => ({ files: { [path]: text }, level: 'pass', found: /./ })),
]

/** For each check hosts on which it ends in each of its ways; that it passes where all is ready goes without saying. */
export const CASES: Readonly<Record<string, readonly Case[]>> = {
  'kernel.preempt-rt': [
    { files: NOT_RT, level: 'fail', found: /PREEMPT_DYNAMIC/, fix: /linux-image-rt/ },
    {
      files: { '/proc/version': 'Linux version 4.19 #1 SMP PREEMPT RT' },
      level: 'pass',
      found: /PREEMPT_RT/,
    },
    { files: { ...NOT_RT, '/sys/kernel/realtime': '1' }, level: 'pass', found: /PREEMPT_RT/ },
    {
      files: { '/proc/version': 'Linux version 6.12.0-rt-lowlatency #1 SMP' },
      level: 'fail',
      found: /without PREEMPT/,
    },
  ],
  'kernel.debug-options': [
    {
      ...config('CONFIG_PROVE_LOCKING=y\nCONFIG_IRQSOFF_TRACER=y'),
      level: 'warn',
      found: /CONFIG_IRQSOFF_TRACER, CONFIG_PROVE_LOCKING/,
    },
    { ...config('# CONFIG_PROVE_LOCKING is not set'), level: 'pass', found: /none/ },
  ],
  'kernel.lockup-detector-built': [
    { ...config('CONFIG_LOCKUP_DETECTOR=y'), level: 'note', found: /CONFIG_LOCKUP_DETECTOR/ },
  ],
  'kernel.cpufreq-default': [
    { ...config('CONFIG_CPU_FREQ=y'), level: 'note', found: /another than performance/ },
    { ...config('CONFIG_X=y'), level: 'note', found: /no CONFIG_CPU_FREQ/ },
  ],
  'kernel.soft-watchdog': [
    {
      files: { '/proc/sys/kernel/soft_watchdog': '1', '/proc/sys/kernel/watchdog_cpumask': '0-3' },
      level: 'warn',
      found: /on for CPUs 2-3/,
    },
    { files: { '/proc/sys/kernel/soft_watchdog': '1' }, level: 'pass', found: /off for CPUs 2-3/ },
    { files: { '/proc/sys/kernel/soft_watchdog': null }, level: 'pass', found: /has none/ },
  ],
  'kernel.nmi-watchdog': [
    {
      files: { '/proc/sys/kernel/nmi_watchdog': '1', '/proc/sys/kernel/watchdog_cpumask': '3' },
      level: 'warn',
      found: /on for CPU 3/,
    },
    {
      files: { '/proc/sys/kernel/nmi_watchdog': '1', '/proc/sys/kernel/watchdog_cpumask': null },
      level: 'warn',
      found: /^on$/,
    },
  ],
  'kernel.rcu-normal': valueCases('/sys/kernel/rcu_normal', '0', 'warn'),
  'kernel.rcu-patience': valueCases('/sys/module/rcutree/parameters/nohz_full_patience_delay', '0', 'note', [
    '2000',
  ]),
  'kernel.machine-check-polling': [
    {
      files: { '/sys/devices/system/machinecheck/machinecheck3/ignore_ce': '0' },
      level: 'warn',
      found: /CPU 3 polled/,
    },
    {
      files: { '/sys/devices/system/machinecheck/machinecheck0/ignore_ce': '0' },
      level: 'pass',
      found: /none/,
    },
  ],
  'boot.nohz-full': [
    {
      files: { [`${CPU}/nohz_full`]: '(null)' },
      level: 'warn',
      found: /CPUs 2-3 with the tick/,
      fix: /nohz_full=2-3$/,
    },
    { files: { [`${CPU}/nohz_full`]: '1-3' }, level: 'warn', found: /housekeeping CPU 1/ },
    { files: { [`${CPU}/nohz_full`]: '3,2' }, level: 'pass', found: /2-3/ },
    {
      files: cmdline('nohz_full=2-N'),
      hidden: { [`${CPU}/nohz_full`]: 'EACCES' },
      level: 'pass',
      found: /2-3/,
    },
    {
      files: { [`${CPU}/nohz_full`]: null, ...cmdline('nohz_full=2-3') },
      level: 'warn',
      found: /CPUs 2-3 with the tick/,
    },
    {
      files: { [`${CPU}/nohz_full`]: '3', ...cmdline('nohz_full=3') },
      level: 'warn',
      found: /CPU 2 with the tick/,
      fix: /nohz_full=2-3$/,
    },
  ],
  'boot.rcu-nocbs': [
    { files: { [`${CPU}/nohz_full`]: '', ...cmdline('rcu_nocbs=2') }, level: 'warn', found: /CPU 3$/ },
    { files: { [`${CPU}/nohz_full`]: '', ...cmdline('rcu_nocbs=all') }, level: 'pass', found: /rcu_nocbs/ },
    { files: cmdline('quiet'), level: 'pass', found: /by nohz_full/ },
  ],
  'boot.managed-irq': [
    {
      files: cmdline('isolcpus=nohz,domain,2-3'),
      level: 'warn',
      found: /CPUs 2-3/,
      fix: /isolcpus=managed_irq,nohz,domain,2-3 in place of isolcpus=nohz,domain,2-3/,
    },
    {
      files: cmdline('isolcpus=2-3'),
      level: 'warn',
      found: /CPUs 2-3/,
      fix: /isolcpus=managed_irq,domain,2-3 in place/,
    },
    { files: cmdline(''), level: 'warn', found: /CPUs 2-3/, fix: /isolcpus=managed_irq,domain,2-3$/ },
    { files: cmdline('isolcpus=domain,managed_irq,2-3'), level: 'pass', found: /2-3/ },
    { files: cmdline('-- isolcpus=managed_irq,2-3'), level: 'warn', found: /CPUs 2-3/ },
    {
      files: { ...cmdline(''), '/sys/fs/cgroup/cpuset.cpus.isolated': '2-3' },
      level: 'warn',
      found: /CPUs 2-3/,
      fix: /isolcpus=managed_irq,2-3$/,
    },
  ],
  'boot.irqaffinity': [
    { files: cmdline(''), level: 'warn', found: /not given/, fix: /irqaffinity=0-1/ },
    { files: cmdline('irqaffinity=0-2'), level: 'warn', found: /CPU 2/ },
    { files: cmdline('irqaffinity=none'), level: 'warn', found: /not a list/ },
    { files: cmdline('irqaffinity=0'), level: 'pass', found: /0/ },
  ],
  'boot.skew-tick': [
    { files: cmdline(''), level: 'warn', found: /not on/, fix: /skew_tick=1/ },
    { files: cmdline('skew_tick=0'), level: 'warn', found: /skew_tick=0/ },
    { files: cmdline('skew-tick=1'), level: 'pass', found: /1/ },
  ],
  'boot.clocksource': [
    {
      files: { '/sys/devices/system/clocksource/clocksource0/current_clocksource': 'hpet' },
      level: 'warn',
      found: /^hpet$/,
    },
    {
      files: {
        '/sys/devices/system/clocksource/clocksource0/current_clocksource': 'hpet',
        '/sys/devices/system/clocksource/clocksource0/available_clocksource': 'hpet acpi_pm',
      },
      level: 'warn',
      found: /does not trust/,
    },
    {
      files: {
        '/sys/devices/system/clocksource/clocksource0/current_clocksource': 'arch_sys_counter',
        '/sys/devices/system/clocksource/clocksource0/available_clocksource': 'arch_sys_counter',
      },
      level: 'pass',
      found: /arch_sys_counter/,
    },
  ],
  'boot.tsc-reliable': [
    { files: cmdline(''), level: 'note', found: /not on/ },
    { files: cmdline('tsc=nowatchdog'), level: 'pass', found: /nowatchdog/ },
  ],
  'boot.efi-runtime': [
    { files: NOT_RT, level: 'warn', found: /any CPU/ },
    { files: { ...NOT_RT, ...cmdline('efi=noruntime') }, level: 'pass', found: /noruntime/ },
    { files: cmdline('efi=runtime'), level: 'warn', found: /any CPU/ },
    { files: { ...NOT_RT, [`${WORK}/efi_runtime/cpumask`]: '3' }, level: 'pass', found: /CPUs 0-1/ },
    { files: { '/sys/firmware/efi/fw_platform_size': null }, level: 'pass', found: /not booted by EFI/ },
  ],
  'boot.iommu-passthrough': [
    { files: cmdline(''), level: 'note', found: /iommu=pt/ },
    { files: cmdline('iommu.passthrough=1'), level: 'pass', found: /./ },
  ],
  'boot.audit': [
    { files: cmdline('audit=1'), level: 'note', found: /may be on/ },
    { files: cmdline('audit=off'), level: 'pass', found: /off/ },
  ],
  'cpu.isolated': [
    { files: { [`${CPU}/isolated`]: '2' }, level: 'fail', found: /CPU 3 not isolated/, fix: /domain,2-3/ },
    {
      files: { [`${CPU}/isolated`]: '', '/sys/fs/cgroup/cpuset.cpus.isolated': '2' },
      level: 'fail',
      found: /CPU 3 not isolated/,
      fix: /^add CPU 3 to the cgroup partition that isolates CPUs 2,/,
    },
    {
      files: { [`${CPU}/isolated`]: '', '/sys/fs/cgroup/cpuset.cpus.isolated': '2-3' },
      level: 'pass',
      found: /2-3/,
    },
    {
      files: { [`${CPU}/isolated`]: '3', '/sys/fs/cgroup/cpuset.cpus.isolated': '2' },
      level: 'pass',
      found: /2-3/,
    },
  ],
  'isolation.workqueues': [
    {
      files: { [`${WORK}/cpumask`]: '00000000,0000000f' },
      level: 'warn',
      found: /CPUs 2-3/,
      fix: /echo 3 >/,
    },
    { files: { [`${WORK}/cpumask`]: '00000000,00000003' }, level: 'pass', found: /0-1/ },
    { files: { [`${WORK}/scsi/cpumask`]: 'c' }, level: 'warn', found: /scsi/ },
    { files: { [`${WORK}/scsi/cpumask`]: 'f' }, level: 'pass', found: /./ },
  ],
  'isolation.kernel-threads': [
    {
      ...withThread('kswapd0', '0-3'),
      level: 'warn',
      found: /kswapd0 \(70\)/,
      fix: /\$2 == "0-3" && .*; do taskset -cp 0-1 \$t; done/,
    },
    { ...withThread('migration/2', '2', { isBound: true }), level: 'pass', found: /none/ },
    { ...withThread('irq/24-eno1', '2'), level: 'pass', found: /none/ },
  ],
  'isolation.user-threads': [
    { moreThreads: [program('cron', '0-3')], level: 'warn', found: /1 threads of 1 programs.*cron \(700\)/ },
    { moreThreads: [program('x', '2', { group: '/machine.slice/a.scope' })], level: 'pass', found: /none/ },
  ],
  'isolation.slices': [
    {
      files: { '/sys/fs/cgroup/user.slice/cpuset.cpus.effective': '0-3' },
      level: 'warn',
      found: /user.slice has CPUs 0-3/,
    },
    {
      files: {
        '/sys/fs/cgroup/system.slice/cpuset.cpus.effective': null,
        '/sys/fs/cgroup/user.slice/cpuset.cpus.effective': null,
      },
      level: 'warn',
      found: /no cpuset/,
    },
  ],
  'sched.rt-throttling': [
    {
      files: { ...OLD, '/proc/sys/kernel/sched_rt_runtime_us': '950000' },
      level: 'fail',
      found: /is on .* is 950000\)$/,
    },
    {
      ...config('CONFIG_RT_GROUP_SCHED=y'),
      files: { '/proc/sys/kernel/sched_rt_runtime_us': '950000' },
      level: 'fail',
      found: /groups/,
    },
    {
      files: { '/proc/sys/kernel/sched_rt_runtime_us': '950000' },
      level: 'note',
      found: /fair server instead/,
      fix: null,
    },
    {
      facts: { kernelConfig: { text: null, why: 'ENOENT' } },
      files: { '/proc/sys/kernel/sched_rt_runtime_us': '950000' },
      level: 'warn',
      found: /not known/,
    },
  ],
  'sched.fair-server': [
    {
      files: { '/sys/kernel/debug/sched/fair_server/cpu3/runtime': '50000000' },
      level: 'warn',
      found: /50 ms a second on CPU 3/,
    },
    {
      files: { '/sys/kernel/debug/sched/fair_server/cpu0/runtime': '0' },
      level: 'warn',
      found: /housekeeping CPU 0/,
      fix: /for c in 0;/,
    },
    { files: OLD, level: 'pass', found: /has none/ },
  ],
  'sched.timer-migration': [
    { files: { '/proc/sys/kernel/timer_migration': '1' }, level: 'note', found: /is 1/ },
    { files: { '/proc/sys/kernel/timer_migration': null }, level: 'pass', found: /no such setting/ },
  ],
  'sched.vm-stat-interval': sysctlCases('vm.stat_interval', 1, 'warn', [120]),
  'sched.hung-task-timeout': sysctlCases('kernel.hung_task_timeout_secs', 120, 'note', [0, 900]),
  'sched.stalld': [{ moreThreads: [program('stalld', '0-1')], level: 'note', found: /it runs/ }],
  'threads.ksoftirqd': [
    {
      ...withThread('ksoftirqd/3', '3', { isBound: true }),
      level: 'warn',
      found: /ksoftirqd\/3 \(best effort\)/,
      fix: /pgrep -P 2 '\^\(ksoftirqd\)\/\(2\|3\)\$'\); do chrt -f -p 2 /,
    },
    {
      subject: { profiles: rtProfile(2) },
      level: 'warn',
      found: /not above the vCPUs' 2/,
      fix: /chrt -f -p 3 /,
    },
    { subject: { profiles: rtProfile(98) }, level: 'warn', found: /98/, fix: /priority of 95 at most/ },
    { subject: { profiles: [] }, level: 'pass', found: /no profile/ },
    { ...withThread('ksoftirqd/0', '0', { isBound: true }), level: 'pass', found: /./ },
  ],
  'threads.ktimers': [
    {
      ...withThread('ktimers/2', '2', { policy: 'fifo', priority: 1 }),
      level: 'warn',
      found: /ktimers\/2 \(priority 1\)/,
    },
  ],
  'threads.rcuc': [
    {
      ...withThread('rcuc/2', '2', { policy: 'fifo', priority: 1 }),
      level: 'warn',
      found: /rcuc\/2 \(priority 1\)/,
    },
  ],
  'threads.rcub': [
    { ...withThread('rcub/1', '0-1', { policy: 'fifo', priority: 1 }), level: 'warn', found: /rcub\/1/ },
  ],
  'irq.affinity': [
    {
      files: { '/proc/irq/24/effective_affinity_list': '3' },
      level: 'warn',
      found: /24 \(eno1-rx-0\)/,
      fix: /for i in 24;/,
    },
    {
      files: { '/proc/irq/24/effective_affinity_list': '3' },
      owners: { '/proc/irq/24/smp_affinity_list': { mode: 0o444 } },
      level: 'note',
      found: /cannot be moved: 24/,
    },
    {
      files: { '/proc/irq/24/effective_affinity_list': '3', '/sys/kernel/irq/24/actions': '' },
      level: 'pass',
      found: /none/,
    },
  ],
  'irq.default-affinity': [
    { files: { '/proc/irq/default_smp_affinity': 'ff' }, level: 'warn', found: /CPUs 2-3/ },
    { files: { '/proc/irq/default_smp_affinity': '00000000,00000003' }, level: 'pass', found: /0-1/ },
  ],
  'irq.irqbalance': [
    {
      moreThreads: [program('irqbalance', '0-1')],
      files: { '/etc/default/irqbalance': 'IRQBALANCE_BANNED_CPULIST=' },
      level: 'warn',
      found: /^irqbalance puts interrupts on CPUs 2-3, too; it leaves no CPU alone$/,
      fix: /BANNED_CPULIST=2-3 /,
    },
    {
      moreThreads: [program('irqbalance', '0-1')],
      files: { '/etc/default/irqbalance': 'IRQBALANCE_BANNED_CPULIST=1' },
      level: 'warn',
      found: /CPUs 2-3, too; it leaves CPU 1 alone, by IRQBALANCE_BANNED_CPULIST=1$/,
      fix: /BANNED_CPULIST=1-3 /,
    },
    {
      moreThreads: [program('irqbalance', '0-1')],
      files: { '/etc/default/irqbalance': 'IRQBALANCE_BANNED_CPUS="000000000c"' },
      level: 'pass',
      found: /000000000c/,
    },
    {
      moreThreads: [program('irqbalance', '0-1')],
      files: { '/etc/default/irqbalance': '#IRQBALANCE_BANNED_CPULIST=' },
      level: 'pass',
      found: /^it leaves CPUs 2-3 alone, since they are isolated/,
    },
    {
      moreThreads: [program('irqbalance', '0-1')],
      hidden: { '/etc/default/irqbalance': 'EACCES' },
      level: 'unknown',
      found: /may not read/,
    },
  ],
  'irq.packet-steering': [
    { files: { '/proc/sys/net/core/rps_default_mask': 'f' }, level: 'warn', found: /rps_default_mask/ },
    {
      files: { '/sys/bus/pci/devices/0000:03:00.0/net/eno1/queues/rx-0/rps_cpus': '8' },
      level: 'warn',
      found: /eno1\/queues\/rx-0/,
    },
  ],
  'irq.nic-queues': [
    {
      files: Object.fromEntries(
        [0, 1, 2, 3].map((queue) => [
          `/sys/bus/pci/devices/0000:03:00.0/net/eno1/queues/rx-${queue}/rps_cpus`,
          '0',
        ]),
      ),
      level: 'note',
      found: /eno1 has 4/,
      fix: /combined 2/,
    },
    {
      files: { '/sys/bus/pci/devices/0000:03:00.0/virtio1/net/eth0/queues/rx-0/rps_cpus': '0' },
      level: 'pass',
      found: /so it is/,
    },
  ],
  'memory.transparent-hugepages': valueCases(
    '/sys/kernel/mm/transparent_hugepage/enabled',
    '[always] madvise never',
    'warn',
  ),
  'memory.ksm': valueCases('/sys/kernel/mm/ksm/run', '1', 'warn', ['2']),
  'memory.numa-balancing': sysctlCases('kernel.numa_balancing', 1, 'warn'),
  'memory.swappiness': sysctlCases('vm.swappiness', 60, 'note', [0]),
  'memory.hugepages': [
    { subject: { hugePages: [] }, level: 'fail', found: /no pages of 1 GiB/, fix: /hugepagesz=1G/ },
    {
      files: { '/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages': '0' },
      level: 'fail',
      found: /no page of 1 GiB/,
    },
    {
      subject: { hugePages: [{ size: 1n << 30n, free: 0, surplus: 0, freeByNode: {} }] },
      level: 'note',
      found: /next VM/,
    },
    {
      subject: {
        nodes: NODES,
        hugePages: [{ size: 1n << 30n, free: 4, surplus: 0, freeByNode: { 0: 4, 1: 0 } }],
      },
      level: 'fail',
      found: /node 1, with real-time CPUs 2-3/,
    },
    { subject: { profiles: [] }, level: 'pass', found: /no profile/ },
  ],
  'kvm.device': [{ owners: { '/dev/kvm': null }, level: 'fail', found: /not there/ }],
  'kvm.nx-huge-pages': valueCases(`${KVM}/nx_huge_pages`, 'Y', 'warn', ['0']),
  'kvm.kvmclock-periodic-sync': valueCases(`${KVM}/kvmclock_periodic_sync`, 'Y', 'warn'),
  'kvm.pause-loop-exits': valueCases('/sys/module/kvm_intel/parameters/ple_gap', '128', 'warn'),
  'kvm.halt-poll': [
    { files: { [`${KVM}/halt_poll_ns`]: '200000' }, level: 'note', found: /200000 ns/ },
    { files: { [`${KVM}/halt_poll_ns`]: null }, level: 'pass', found: /not loaded/ },
  ],
  'kvm.lapic-timer-advance': [
    { files: { [`${KVM}/lapic_timer_advance`]: 'N' }, level: 'warn', found: /N/ },
    {
      files: { [`${KVM}/lapic_timer_advance`]: null, [`${KVM}/lapic_timer_advance_ns`]: '0' },
      level: 'warn',
      found: /0/,
    },
    {
      files: { [`${KVM}/lapic_timer_advance`]: null, [`${KVM}/lapic_timer_advance_ns`]: '-1' },
      level: 'pass',
      found: /-1/,
    },
    {
      files: { [`${KVM}/lapic_timer_advance`]: null, [`${KVM}/lapic_timer_advance_ns`]: null },
      level: 'pass',
      found: /not loaded/,
    },
  ],
  'power.governor': [
    {
      files: { [`${CPU}/cpu2/cpufreq/scaling_governor`]: 'powersave' },
      level: 'warn',
      found: /powersave on CPU 2/,
    },
    { files: { [`${CPU}/cpu0/cpufreq/scaling_governor`]: 'powersave' }, level: 'pass', found: /performance/ },
  ],
  'power.idle-states': [
    { files: { [`${CPU}/cpu3/cpuidle/state2/disable`]: '0' }, level: 'warn', found: /C6 on CPU 3/ },
    {
      files: {
        [`${CPU}/cpu3/cpuidle/state2/disable`]: '0',
        [`${CPU}/cpu3/power/pm_qos_resume_latency_us`]: 'n/a',
      },
      level: 'pass',
      found: /C1/,
    },
    {
      files: { [`${CPU}/cpu3/cpuidle/state2/disable`]: '0', ...cmdline('idle=poll') },
      level: 'pass',
      found: /idle=poll/,
    },
  ],
  'power.pstate-driver': [
    {
      files: { [`${CPU}/intel_pstate/status`]: null, [`${CPU}/amd_pstate/status`]: 'passive' },
      level: 'note',
      found: /amd_pstate is passive/,
    },
    {
      files: { [`${CPU}/intel_pstate/status`]: null, [`${CPU}/amd_pstate/status`]: null },
      level: 'pass',
      found: /not there/,
    },
  ],
  'power.turbo': [
    { files: { [`${CPU}/intel_pstate/no_turbo`]: '0' }, level: 'note', found: /turbo is on/ },
    {
      files: { [`${CPU}/intel_pstate/no_turbo`]: null, [`${CPU}/cpufreq/boost`]: '0' },
      level: 'pass',
      found: /off/,
    },
  ],
  'power.smt': [
    {
      files: {
        [`${CPU}/smt/active`]: '1',
        [`${CPU}/cpu2/topology/thread_siblings_list`]: '1-2',
        [`${CPU}/cpu3/topology/thread_siblings_list`]: '3',
      },
      level: 'warn',
      found: /CPU 2 share cores with 1/,
    },
    {
      files: {
        [`${CPU}/smt/active`]: '1',
        [`${CPU}/cpu2/topology/thread_siblings_list`]: '2-3',
        [`${CPU}/cpu3/topology/thread_siblings_list`]: '2-3',
      },
      level: 'note',
      found: /pairs/,
    },
  ],
  'power.pcie-aspm': valueCases('/sys/module/pcie_aspm/parameters/policy', '[default] performance', 'note'),
  'devices.iommu': [
    {
      files: { '/sys/kernel/iommu_groups/1/type': null, '/sys/kernel/iommu_groups/*/type': null },
      subject: { nics: [NIC] },
      level: 'fail',
      found: /no IOMMU group/,
    },
    {
      files: { '/sys/kernel/iommu_groups/1/type': null, '/sys/kernel/iommu_groups/*/type': null },
      level: 'pass',
      found: /no NIC/,
    },
  ],
  'devices.interrupt-remapping': [
    { subject: { nics: [NIC] }, level: 'pass', found: /^they are remapped$/ },
    { files: UNMAPPED, level: 'pass', found: /^they are not, and no NIC is configured$/ },
    {
      files: UNMAPPED,
      subject: { nics: [NIC] },
      level: 'fail',
      found: /^they are not remapped$/,
      fix: /without intremap=off/,
    },
    {
      files: { ...UNMAPPED, '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts': 'Y' },
      subject: { nics: [NIC] },
      level: 'note',
      found: /^they are not remapped, and vfio_iommu_type1 allows that/,
    },
    {
      files: { ...UNMAPPED, '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts': 'N' },
      subject: { nics: [NIC] },
      level: 'fail',
      found: /^they are not remapped$/,
    },
    {
      files: { '/sys/kernel/irq/24/chip_name': 'ITS-PCI-MSIX-0000:01:00.0' },
      subject: { nics: [NIC] },
      level: 'pass',
      found: /^no chip has a name that tells/,
    },
    {
      hidden: { '/sys/kernel/irq/24/chip_name': 'EACCES', '/sys/kernel/irq/*/chip_name': 'EACCES' },
      subject: { nics: [NIC] },
      level: 'unknown',
      found: /this user may not read/,
    },
  ],
  'devices.vfio': [
    { owners: { '/dev/vfio/vfio': null }, subject: { nics: [NIC] }, level: 'fail', found: /neither/ },
    {
      owners: { '/dev/vfio/vfio': null, '/dev/iommu': { kind: 'device' } },
      subject: { nics: [NIC] },
      level: 'pass',
      found: /iommu/,
    },
  ],
  'devices.cache-allocation': [
    { files: { '/sys/fs/resctrl/rt/cpus_list': '2' }, level: 'note', found: /CPUs 3 share/ },
    { files: { '/sys/fs/resctrl/schemata': null }, level: 'note', found: /not mounted/ },
  ],
  'install.util-linux': [
    { owners: { '/usr/bin/flock': null }, level: 'fail', found: /flock not in/ },
    { owners: { '/usr/bin/flock': null, '/bin/flock': {} }, level: 'pass', found: /there/ },
  ],
  'install.launcher': [
    { owners: { '/usr/local/bin/qemu-rt': { uid: 1000 } }, level: 'fail', found: /user 1000/ },
    {
      owners: { '/usr/local/lib/qemu-rt': { mode: 0o775 } },
      level: 'fail',
      found: /written by others \(mode 0775\)/,
    },
    {
      owners: { '/usr/local/bin/qemu-rt': null, '/usr/local/lib/qemu-rt': null },
      level: 'note',
      found: /elsewhere/,
    },
  ],
  'install.hook': [
    { owners: { [HOOK]: null }, level: 'warn', found: /not there/ },
    { owners: { [HOOK]: { mode: 0o644 } }, level: 'warn', found: /not executable/, fix: /chmod 0755/ },
    { owners: { '/etc/libvirt/hooks': { mode: 0o777 } }, level: 'warn', found: /written by others/ },
  ],
  'install.run-directories': [
    { owners: { '/run/qemu-rt': { mode: 0o777 } }, level: 'fail', found: /mode 0777, not 0755/ },
    { owners: { '/run/qemu-rt/vms': { uid: 64055 } }, level: 'fail', found: /user 64055/ },
    {
      owners: { '/run/qemu-rt': null, '/run/qemu-rt/vms': null, '/run/qemu-rt/leases': null },
      level: 'note',
      found: /not there yet/,
    },
  ],
  'install.apparmor': [
    {
      files: { '/etc/apparmor.d/local/abstractions/libvirt-qemu': null },
      level: 'warn',
      found: /does not have/,
    },
    { files: { '/sys/module/apparmor/parameters/enabled': 'N' }, level: 'pass', found: /off/ },
  ],
  'install.daemon-limits': [
    {
      facts: { daemons: [{ name: 'libvirtd', realtimePriority: 0, lockedMemory: 'unlimited' }] },
      level: 'warn',
      found: /RLIMIT_RTPRIO 0/,
    },
    {
      facts: { daemons: [{ name: 'libvirtd', realtimePriority: 99, lockedMemory: 65536 }] },
      level: 'warn',
      found: /RLIMIT_MEMLOCK 65536/,
    },
    {
      facts: { daemons: [] },
      files: {
        '/etc/systemd/system/virtqemud.service.d/x.conf': '[Service]\nLimitRTPRIO=99\nLimitMEMLOCK=infinity',
      },
      level: 'pass',
      found: /unit/,
    },
    {
      facts: { daemons: [] },
      files: { '/etc/systemd/system/virtqemud.service.d/x.conf': 'LimitRTPRIO=99' },
      level: 'warn',
      found: /LimitMEMLOCK= /,
    },
    { facts: { daemons: [] }, level: 'unknown', found: /no daemon/ },
    { subject: { profiles: [] }, level: 'pass', found: /no profile/ },
  ],
  'config.realtime': [
    {
      subject: { configured: { housekeeping: null, realtime: null, switch: null } },
      level: 'warn',
      found: /isolated CPUs 2-3 are taken/,
      fix: /housekeeping = "0-1", realtime = "2-3"/,
    },
    {
      files: { [`${CPU}/isolated`]: '' },
      subject: { configured: { housekeeping: [0], realtime: null, switch: null } },
      level: 'warn',
      found: /realtime; no CPU is isolated/,
      fix: /realtime = "2-3"/,
    },
  ],
  'config.cpus': [
    {
      subject: { configured: { ...READY.configured, realtime: [2, 3, 9] } },
      level: 'fail',
      found: /^realtime has CPU 9, and this host has CPUs 0-3 alone$/,
      fix: /^correct \[host\]; /,
    },
    {
      files: { [`${CPU}/online`]: '0-2' },
      level: 'fail',
      found: /^realtime has CPU 3, not online$/,
      fix: /^run as root: chcpu -e 3; or correct/,
    },
    {
      files: { [`${CPU}/online`]: '0-2', [`${CPU}/smt/control`]: 'off' },
      level: 'fail',
      found: /^realtime has CPU 3, not online$/,
      fix: /^turn SMT on \(as root: echo on >\/sys\/devices\/system\/cpu\/smt\/control\); or correct/,
    },
    {
      files: { [`${CPU}/online`]: '0-2', [`${CPU}/smt/control`]: 'forceoff' },
      level: 'fail',
      found: /^realtime has CPU 3, not online$/,
      fix: /^boot without nosmt=force; or correct/,
    },
  ],
  'config.nics': [
    {
      subject: { nics: [{ ...NIC, error: 'it matches no device' }] },
      level: 'fail',
      found: /matches no device/,
    },
    { subject: { nics: [NIC] }, level: 'pass', found: /fieldbus0/ },
  ],
  'config.nics-ready': [
    {
      subject: { nics: [{ ...NIC, obstacles: ['it is bound to igb'] }] },
      level: 'note',
      found: /bound to igb/,
      fix: /nics show fieldbus0/,
    },
    { subject: { nics: [NIC] }, level: 'pass', found: /fieldbus0/ },
  ],
  'config.nic-nodes': [
    { subject: { nics: [NIC], nodes: NODES }, level: 'warn', found: /fieldbus0 is on node 0/ },
    { subject: { nics: [{ ...NIC, nodes: [1] }], nodes: NODES }, level: 'pass', found: /so it is/ },
  ],
  'config.housekeeping-nodes': [
    { subject: { nodes: NODES }, level: 'note', found: /node 1 has none/ },
    { subject: { nodes: {} }, level: 'unknown', found: /not known/ },
  ],
  'config.domains': [
    { subject: { domainProblems: ["NIC 'x' is not there"] }, level: 'fail', found: /NIC 'x'/ },
  ],
  'evidence.kernel-log': [
    {
      facts: { kernelLog: ['sched: RT throttling activated'] },
      level: 'warn',
      found: /throttling activated/,
    },
  ],
  'evidence.hardware-latency': [{ level: 'note', found: /not measured/, fix: /rtla hwnoise -c 2-3 / }],
  'evidence.tuned-profile': [
    {
      files: {
        '/etc/tuned/active_profile': 'site',
        '/run/tuned/tuned.pid': '7',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of tuned's
        '/etc/tuned/site/tuned.conf': '[main]\ninclude=base-${kind}\n',
      },
      level: 'note',
      found: /^profile 'site' includes 'base-\$\{kind\}', and which profile that is is not known$/,
    },
    { level: 'pass', found: /no profile of tuned/ },
  ],
}
