import { readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { setMachineCpus } from '../../src/change/cpusets.js'
import { writeFiles } from '../host/made-host.js'

const SCOPE = '/machine.slice/machine-qemu\\x2d1\\x2dplc.scope/libvirt'

/** Where the groups of one VM are, and what is read of them: in cgroup v1, and in v2. */
const HIERARCHIES = {
  v1: {
    mounts: '34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset',
    cgroup: '3:cpuset:/machine/qemu-1-plc.libvirt-qemu/emulator\n',
    machine: '/sys/fs/cgroup/cpuset/machine/qemu-1-plc.libvirt-qemu',
    read: 'cpuset.effective_cpus',
  },
  v2: {
    mounts: '30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw',
    cgroup: `0::${SCOPE}/emulator\n`,
    machine: `/sys/fs/cgroup${SCOPE}`,
    read: 'cpuset.cpus.effective',
  },
}

interface Given {
  readonly version: keyof typeof HIERARCHIES
  /** Groups with their CPUs. */
  readonly groups: Readonly<Record<string, string>>
  readonly cgroup?: string
  /** CPUs that the kernel leaves out of what is written. */
  readonly refuse?: (path: string) => string | null
}

/** A host with the groups of one VM, whose kernel does what is written. */
function host(t: Test, { version, groups, cgroup, refuse = () => null }: Given) {
  const root = t.testdir({})
  const { mounts, machine, read, cgroup: usual } = HIERARCHIES[version]
  writeFiles(root, { '/proc/self/mountinfo': `${mounts}\n`, '/proc/7/cgroup': cgroup ?? usual })
  for (const [group, cpus] of Object.entries(groups)) {
    writeFiles(root, {
      [`${machine}/${group}/cpuset.cpus`]: `${cpus}\n`,
      [`${machine}/${group}/${read}`]: `${cpus}\n`,
    })
  }
  const written: Record<string, string> = {}
  const write = (path: string, text: string) => {
    const refusal = refuse(path)
    if (refusal === 'EACCES') throw Object.assign(new Error('denied'), { code: 'EACCES' })
    written[path.slice(`${root}${machine}/`.length)] = text
    writeFileSync(path, `${text}\n`)
    writeFileSync(path.replace(/cpuset\.cpus$/, read), `${refusal ?? text}\n`)
  }
  return { root, written, write, path: `${root}${machine}` }
}

const emulator = { group: 'emulator', cpus: [0, 1], isAll: true }

for (const version of ['v1', 'v2'] as const) {
  t.test(`a group that does not allow what is planned is widened, in cgroup ${version}`, async (t) => {
    const { root, written, write } = host(t, { version, groups: { emulator: '4-5', vcpu0: '4', vcpu1: '4' } })
    const wishes = [
      emulator,
      { group: 'vcpu0', cpus: [4], isAll: true },
      { group: 'vcpu1', cpus: [5], isAll: true },
      { group: 'vcpu2', cpus: [6], isAll: true },
    ]
    t.strictSame(setMachineCpus(7, wishes, root, write), [])
    t.strictSame(written, { 'emulator/cpuset.cpus': '0-1', 'vcpu1/cpuset.cpus': '5' })
  })
}

t.test('threads of a group of which nothing is planned keep their CPUs', async (t) => {
  const { root, written, write } = host(t, { version: 'v1', groups: { emulator: '4' } })
  t.strictSame(setMachineCpus(7, [{ ...emulator, isAll: false }], root, write), [])
  t.strictSame(written, { 'emulator/cpuset.cpus': '0-1,4' })
})

t.test('what cannot be widened is said', async (t) => {
  const denied = host(t, { version: 'v1', groups: { emulator: '4' }, refuse: () => 'EACCES' })
  t.match(setMachineCpus(7, [emulator], denied.root, denied.write), [
    /^the cpuset of its group \/machine\/qemu-1-plc\.libvirt-qemu\/emulator stays 4, and the plan has CPU 0-1: it cannot be written \(EACCES\)$/,
  ])
  const partition = host(t, { version: 'v2', groups: { emulator: '4' }, refuse: () => '1' })
  t.match(setMachineCpus(7, [emulator], partition.root, partition.write), [
    /emulator stays 1, .*: a group above it, or another partition, keeps CPU 0$/,
  ])
  const { machine, read } = HIERARCHIES.v2
  const without = host(t, { version: 'v2', groups: {} })
  writeFiles(without.root, { [`${machine}/${read}`]: '4\n', [`${machine}/emulator/cgroup.procs`]: '' })
  t.match(setMachineCpus(7, [emulator], without.root, without.write), [/the group has no cpuset controller/])
})

t.test('a process that is not in a group of libvirt’s making is left alone', async (t) => {
  for (const cgroup of ['3:cpuset:/\n', '3:cpuset:/user.slice\n', '', '3:cpuset:/machine/emulators\n']) {
    const { root, written, write, path } = host(t, { version: 'v1', groups: { emulator: '4' }, cgroup })
    t.strictSame(setMachineCpus(7, [emulator], root, write), [])
    t.strictSame(written, {})
    t.equal(readFileSync(`${path}/emulator/cpuset.cpus`, 'utf8'), '4\n')
  }
})

t.test('a group outside of what this process sees of the groups is left alone', async (t) => {
  // Three up from /sys/fs/cgroup.
  const cgroup = '0::/../../../made-by-a-user/emulator\n'
  const { root, written, write } = host(t, { version: 'v2', groups: {}, cgroup })
  writeFiles(root, {
    '/sys/fs/cgroup/cgroup.procs': '',
    '/made-by-a-user/emulator/cpuset.cpus': '4\n',
    '/made-by-a-user/emulator/cpuset.cpus.effective': '4\n',
  })
  t.strictSame(setMachineCpus(7, [emulator], root, write), [])
  t.strictSame(written, {})
  t.equal(readFileSync(`${root}/made-by-a-user/emulator/cpuset.cpus`, 'utf8'), '4\n')
})
