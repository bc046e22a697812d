import t from 'tap'
import {
  keptOfCommandLine,
  parameter,
  parameterValues,
  parseIsolcpus,
} from '../../src/checks/command-line.js'
import { keptOf } from '../../src/checks/keep.js'
import { runChecks } from '../../src/checks/run.js'
import { findSets, profileNeeds } from '../../src/checks/sets.js'
import { CHECKS } from '../../src/checks/table.js'
import { checksText } from '../../src/checks/text.js'
import { tunedSettings } from '../../src/checks/tuned.js'
import { parsePolicy } from '../../src/config/parse.js'
import { changed, READY } from './ready.js'

const withLine = (text: string) => changed({ files: { '/proc/cmdline': text } }).facts

t.test('parameters of the kernel are read as the kernel reads them', async (t) => {
  const facts = withLine('skew_tick=1 nohz-full="2-3" quiet skew_tick=0 nosoftlockup -- isolcpus=2')
  t.strictSame(parameterValues(facts, 'skew_tick'), ['1', '0'])
  t.equal(parameter(facts, 'skew_tick'), '0', 'the last one counts')
  t.equal(parameter(facts, 'nohz_full'), '2-3', 'dash or underscore, quoted or not')
  t.equal(parameter(facts, 'nosoftlockup'), '')
  t.equal(parameter(facts, 'isolcpus'), null, 'what follows -- is for init')
})

t.test('isolcpus= has flags before its CPUs', async (t) => {
  t.strictSame(parseIsolcpus('2-3'), { flags: ['domain'], cpus: [2, 3] })
  t.strictSame(parseIsolcpus('managed_irq,domain,2,4'), { flags: ['managed_irq', 'domain'], cpus: [2, 4] })
  t.equal(parseIsolcpus('managed_irq'), null)
  t.equal(parseIsolcpus('managed_irq,2-x'), null)
})

t.test('capture keeps no secret of what checks read', async (t) => {
  t.equal(
    keptOfCommandLine('root=UUID=1 rd.luks.key=/k skew_tick=1 rd.iscsi.password=x isolcpus=2'),
    'skew_tick=1 isolcpus=2\n',
  )
  const unit = '[Service]\nEnvironment=PASSWORD=x\nLimitRTPRIO=99'
  t.equal(keptOf('/etc/systemd/system/libvirtd.service.d/a.conf', unit), '[Service]\nLimitRTPRIO=99\n')
  t.equal(
    keptOf('/etc/default/irqbalance', 'TOKEN=x\nIRQBALANCE_BANNED_CPULIST=2'),
    'IRQBALANCE_BANNED_CPULIST=2\n',
  )
  const tuned =
    '[main]\ninclude=realtime\n[variables]\nsecret=x\n[script]\nscript=/x\n[sysctl]\n# why\nvm.swappiness=1'
  t.equal(keptOf('/etc/tuned/a/tuned.conf', tuned), '[main]\ninclude=realtime\n[sysctl]\nvm.swappiness=1\n')
  const version = 'Linux version 6.1.0-rt (who@where) (gcc (Debian) 12) #1 SMP PREEMPT_RT Debian 6.1 (2025)'
  const sysctls =
    '# token\nkernel.core_pattern = |/x\nvm.swappiness=5\n-vm.* = 1\nnet/core/rps_default_mask = 3\n'
  const kept = 'vm.swappiness=5\n-vm.* = 1\nnet/core/rps_default_mask = 3\n'
  for (const path of ['/etc/sysctl.d/a.conf', '/etc/sysctl.conf']) t.equal(keptOf(path, sysctls), kept, path)
  const variables = '# mine\nkind=rt\n'
  t.equal(keptOf('/etc/tuned/site-variables.conf', variables), 'kind=rt\n')
  t.equal(
    keptOf('/etc/tuned/a/tuned.conf', `[main]\ninclude=a-$\{kind}\n[variables]\nkind=rt\n`),
    `[main]\ninclude=a-$\{kind}\n[variables]\nkind=rt\n`,
  )
  t.equal(keptOf('/proc/version', version), 'Linux version 6.1.0-rt #1 SMP PREEMPT_RT Debian 6.1 (2025)\n')
  t.equal(
    keptOf('/etc/apparmor.d/local/abstractions/libvirt-qemu', '/secret r,\n# begin qemu-rt (install.sh)\n'),
    '# begin qemu-rt (install.sh)\n',
  )
})

const TUNED = { '/etc/tuned/active_profile': 'own', '/run/tuned/tuned.pid': '1' }

t.test('tuned: a profile goes before those that it includes, and a circle ends', async (t) => {
  const { facts } = changed({
    files: {
      ...TUNED,
      '/etc/tuned/own/tuned.conf': '[main]\ninclude=base\n[sysctl]\nvm.swappiness = 30',
      '/usr/lib/tuned/profiles/base/tuned.conf':
        '[main]\ninclude=own\n[sysctl]\nvm.swappiness=10\nvm.stat_interval=10',
    },
  })
  const [first] = tunedSettings(facts).filter(({ key }) => key === 'vm.swappiness')
  t.match(first, { profile: 'own', value: '30' })
  t.equal(tunedSettings(facts).find(({ key }) => key === 'vm.stat_interval')?.profile, 'base')
})

t.test(
  'tuned: its own place goes before that of the package, and without a daemon it owns nothing',
  async (t) => {
    const files = {
      ...TUNED,
      '/etc/tuned/own/tuned.conf': '[sysctl]\nvm.swappiness=1',
      '/usr/lib/tuned/own/tuned.conf': '[sysctl]\nvm.swappiness=2',
    }
    t.strictSame(
      tunedSettings(changed({ files }).facts).map(({ value }) => value),
      ['1'],
    )
    t.strictSame(tunedSettings(changed({ files: { ...files, '/run/tuned/tuned.pid': null } }).facts), [])
  },
)

t.test('tuned: a profile that is included many times is read once', async (t) => {
  const names = Array.from({ length: 40 }, (_, index) => `p${index}`)
  const text = `[main]\ninclude=${names.join(',')}\n[sysctl]\nvm.swappiness=1`
  const files = Object.fromEntries(names.map((name) => [`/etc/tuned/${name}/tuned.conf`, text]))
  const { facts } = changed({ files: { ...TUNED, ...files, '/etc/tuned/active_profile': names.join(' ') } })
  t.equal(tunedSettings(facts).filter(({ key }) => key === 'vm.swappiness').length, 40)
})

t.test('what tuned owns is told so, by the way each value is set', async (t) => {
  const conf = [
    '[sysctl]\nvm.swappiness=30',
    '[vm]\ntransparent_hugepages=madvise',
    '[cpu]\ngovernor=powersave',
    '[sysfs]\n/sys/kernel/mm/ksm/run=1',
    '[bootloader]\ncmdline_x=+skew_tick=0 nosoftlockup',
    '[scheduler]\ngroup.ksoftirqd=0:f:1:*:ksoftirqd.*',
  ].join('\n')
  const results = runChecks(changed({ files: { ...TUNED, '/etc/tuned/own/tuned.conf': conf } }))
  const owned = results.filter(({ tunedProfile }) => tunedProfile === 'own').map(({ id }) => id)
  t.strictSame(owned, [
    'kernel.soft-watchdog',
    'boot.skew-tick',
    'threads.ksoftirqd',
    'memory.transparent-hugepages',
    'memory.ksm',
    'memory.swappiness',
    'power.governor',
  ])
})

t.test('CPUs are those of the configuration, else as the host shows', async (t) => {
  const none = { housekeeping: null, realtime: null, switch: null }
  t.match(findSets(READY.facts, none, []), { realtime: [2, 3], housekeeping: [0, 1], vcpuPriority: null })
  t.match(findSets(READY.facts, { ...none, realtime: [1], switch: [3] }, []), {
    realtime: [1],
    housekeeping: [0, 2],
  })
})

t.test('profiles ask for what they say; a real-time policy alone has the lowest priority', async (t) => {
  const policy = parsePolicy(
    '[profile.a]\nvcpus = { policy = "fifo" }\nhugepages = "2M"\nlock-memory = true\n' +
      '[profile.b]\nvcpus = { policy = "other" }\n[profile.c]\nvcpus = { policy = "rr", priority = 9 }\n',
    'qemu-rt.toml',
  )
  t.strictSame(profileNeeds(policy, null), [
    { name: 'a', priority: 1, hugepages: '2M', lockMemory: true },
    { name: 'b', priority: null, hugepages: null, lockMemory: false },
    { name: 'c', priority: 9, hugepages: null, lockMemory: false },
  ])
  t.strictSame(
    profileNeeds(policy, 'b').map(({ name }) => name),
    ['b'],
  )
})

t.test('colour is in the result alone, and text from outside cannot draw', async (t) => {
  const facts = { kernelLog: ['evil \x1b[2J line'] }
  const results = runChecks(
    changed({ facts }),
    CHECKS.filter(({ id }) => id === 'evidence.kernel-log'),
  )
  t.ok(checksText(results, true).includes(' : \x1b[33mWARN\x1b[0m (evil \\x1b[2J line; '))
  t.notOk(checksText(results, false).includes('\x1b'))
})

t.test('CPUs of [host] that the host has not are named once, and change no other result', async (t) => {
  const told = (realtime: readonly number[]) =>
    runChecks(changed({ subject: { configured: { ...READY.configured, realtime } } }))
  const ready = told([2, 3])
  const differing = told([2, 3, 8, 9]).filter(
    (result, index) => JSON.stringify(result) !== JSON.stringify(ready[index]),
  )
  t.strictSame(
    differing.map(({ id, level }) => [id, level]),
    [
      ['config.realtime', 'pass'],
      ['config.cpus', 'fail'],
    ],
  )
  const none = told([8, 9])
  t.match(none.find(({ id }) => id === 'cpu.isolated')?.what, /not known: see config\.cpus$/)
})

t.test('what many checks do not know for one reason is said once, with the ids of all of them', async (t) => {
  const configured = { housekeeping: null, realtime: null, switch: null }
  const files = { '/sys/devices/system/cpu/isolated': '' }
  const results = runChecks(changed({ files, subject: { configured } }))
  const text = checksText(results, false)
  t.equal(text.match(/which CPUs are real-time is not known/g)?.length, 1)
  const unknown = results.filter(({ level }) => level === 'unknown')
  const [, together = ''] =
    /\n(\d+) checks : NOT KNOWN \(which CPUs are real-time is not known: see config\.realtime\)\n/.exec(
      text,
    ) ?? []
  t.equal(Number(together), unknown.length)
  for (const { id } of results) t.equal(text.split(id).length > 1, true, id)
  for (const line of text.split('\n').filter((one) => one.startsWith('  '))) t.ok(line.length <= 100, line)
  t.ok(checksText(results, true).includes(' checks : \x1b[35mNOT KNOWN\x1b[0m ('))
})
