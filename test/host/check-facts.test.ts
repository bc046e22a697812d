import { chmodSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { formatCapturedChecks, hiddenOf, readCapturedChecks } from '../../src/host/check/captured.js'
import { readFileFacts, readOwners } from '../../src/host/check/files.js'
import { readKernelConfig } from '../../src/host/check/kernel-config.js'
import { readCheckFacts } from '../../src/host/check/read.js'
import { readAllThreads } from '../../src/host/check/threads.js'
import type { Root } from '../../src/host/sysroot.js'
import { madeHost } from './made-host.js'

t.test('files are read by pattern, and what is not there says so', async (t) => {
  const root = madeHost(t, {
    '/sys/cpu/cpu0/x': 'a\n',
    '/sys/cpu/cpu1/x': 'b\n',
    '/sys/cpu/cpufreq/y': 'c\n',
    '/sys/long': 'x'.repeat(70_000),
  }) as Root
  const facts = readFileFacts(root, [
    '/sys/cpu/cpu*/x',
    '/sys/none',
    '/sys/none*/z',
    '/sys/cpu/*/z',
    '/sys/long',
    '/sys/cpu',
  ])
  t.strictSame(Object.fromEntries(facts), {
    '/sys/cpu/cpu0/x': { text: 'a' },
    '/sys/cpu/cpu1/x': { text: 'b' },
    '/sys/none': { text: null, why: 'ENOENT' },
    '/sys/none*/z': { text: null, why: 'ENOENT' },
    '/sys/cpu/*/z': { text: null, why: 'ENOENT' },
    '/sys/long': { text: null, why: 'EFBIG' },
    '/sys/cpu': { text: null, why: 'EISDIR' },
  })
})

t.test('owners are those of the files themselves, not of what links lead to', async (t) => {
  const root = madeHost(t, { '/bin/a': '' }) as Root
  chmodSync(join(root, 'bin/a'), 0o640)
  symlinkSync('a', join(root, 'bin/b'))
  const owners = readOwners(root, ['/bin/*', '/none'])
  t.match(owners.get('/bin/a'), { kind: 'file', uid: process.getuid?.(), mode: 0o640 })
  t.match(owners.get('/bin/b'), { kind: 'other' })
  t.notOk(owners.has('/none'))
})

t.test("the kernel's build configuration is found where distributions keep it", async (t) => {
  const release = { '/proc/sys/kernel/osrelease': '6.1.0-rt\n' }
  const zipped = gzipSync('CONFIG_A=y\n')
  const read = (files: Record<string, string | Buffer>) =>
    readKernelConfig(madeHost(t, { ...release, ...files }) as Root).text
  t.equal(read({ '/boot/config-6.1.0-rt': 'CONFIG_B=y\n', '/proc/config.gz': zipped }), 'CONFIG_B=y\n')
  t.equal(read({ '/lib/modules/6.1.0-rt/config': 'CONFIG_C=y\n' }), 'CONFIG_C=y\n')
  t.equal(read({ '/proc/config.gz': zipped }), 'CONFIG_A=y\n')
  t.equal(read({ '/proc/config.gz': 'no gzip' }), null)
  t.equal(read({ '/boot/config-../../etc/shadow': 'x' }), null)
})

t.test("this host's threads are seen, the kernel's as such, or it is said why not", async (t) => {
  const { threads, why } = readAllThreads()
  if (threads === null) {
    t.match(why, /container/)
    return
  }
  t.match(
    threads.find(({ tid }) => tid === 2),
    { isKernels: true, name: 'kthreadd' },
  )
  t.match(
    threads.find(({ tid }) => tid === process.pid),
    { isKernels: false, policy: 'other', priority: 0 },
  )
  t.ok(threads.some(({ isKernels, isBound }) => isKernels && isBound))
})

t.test('what is kept of a captured host is read as it was; a damaged file says nothing', async (t) => {
  const facts = {
    owners: new Map([['/dev/kvm', { kind: 'device' as const, uid: 0, gid: 1, mode: 0o660 }]]),
    threads: [
      {
        pid: 1,
        tid: 2,
        name: 'a"b',
        isKernels: true,
        isBound: true,
        policy: 'fifo' as const,
        priority: 3,
        cpus: [0, 2],
        group: null,
      },
    ],
    whyNoThreads: '',
    kernelLog: ['x'],
    whyNoLog: '',
    daemons: [{ name: 'libvirtd', realtimePriority: 99, lockedMemory: 'unlimited' as const }],
    hidden: new Map([['/sys/b', 'EACCES']]),
  }
  const written = (text: string) => readCapturedChecks(madeHost(t, { '/host-checks.json': text }) as Root)
  t.strictSame({ ...written(formatCapturedChecks(facts)) }, facts)
  for (const text of [
    '',
    '{',
    '[]',
    'null',
    '{"version":2}',
    '{"version":1}',
    '{"version":1,"owners":[],"daemons":[],"threads":[1,{}],"hidden":3}',
  ]) {
    const read = written(text)
    t.ok(read.threads === null || read.threads.length === 0, text)
  }
  t.equal(readCapturedChecks(madeHost(t, { '/sys/a': 'x' }) as Root).threads, null)
})

t.test('a file that the one who captured could not read is hidden, not missing', async (t) => {
  const files = new Map([
    ['/a', { text: null, why: 'EACCES' }],
    ['/b', { text: null, why: 'ENOENT' }],
    ['/c', { text: 'x' }],
  ])
  t.strictSame([...hiddenOf({ files })], [['/a', 'EACCES']])
  const captured = formatCapturedChecks({
    ...{ owners: new Map(), threads: [], whyNoThreads: '', kernelLog: [], whyNoLog: '', daemons: [] },
    hidden: hiddenOf({ files }),
  })
  const root = madeHost(t, { '/host-checks.json': captured, '/c': 'x' })
  const read = readCheckFacts(root, { files: ['/a', '/b', '/c'], owners: [] })
  t.strictSame(Object.fromEntries(read.files), Object.fromEntries(files))
})
