import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { WriteSysfs } from '../../src/change/driver.js'
import {
  type CpuSet,
  formatCpuSet,
  parseCpuSet,
  subtractCpuSets,
  unionCpuSets,
} from '../../src/units/cpu-set.js'
import { writeFiles } from '../host/made-host.js'

export const MOUNT = '/sys/fs/cgroup'

/**
 * Makes a host with cgroup v2, and a stand-in for the kernel that makes partitions as Linux 6.12 was seen to: a group's CPUs
 * must be exclusive in all groups above it but the root's children's own, and a sibling's exclusive CPUs make one invalid.
 * @param groups below the mount point, those above first
 */
export function hostWithCgroups(root: string, online: string, groups: readonly string[]) {
  writeFiles(root, {
    '/proc/self/mountinfo': `30 23 0:26 / ${MOUNT} rw - cgroup2 cgroup2 rw\n`,
    '/proc/self/cgroup': '0::/\n',
    '/proc/sys/kernel/random/boot_id': 'a\n',
    '/sys/devices/system/cpu/online': `${online}\n`,
    '/sys/devices/system/cpu/present': `${online}\n`,
    '/sys/devices/system/cpu/possible': `${online}\n`,
    [`${MOUNT}/cgroup.controllers`]: 'cpuset cpu\n',
    [`${MOUNT}/cgroup.subtree_control`]: 'cpuset\n',
    [`${MOUNT}/cpuset.cpus.effective`]: `${online}\n`,
    [`${MOUNT}/cpuset.cpus.isolated`]: '\n',
  })
  for (const group of groups) makeGroup(group)
  const writes: string[] = []

  function makeGroup(group: string) {
    writeFiles(root, {
      [`${MOUNT}${group}/cpuset.cpus`]: '\n',
      [`${MOUNT}${group}/cpuset.cpus.exclusive`]: '\n',
      [`${MOUNT}${group}/cpuset.cpus.effective`]: `${online}\n`,
      [`${MOUNT}${group}/cpuset.cpus.partition`]: 'member\n',
    })
  }
  const read = (group: string, file: string): CpuSet =>
    parseCpuSet(readFileSync(`${root}${MOUNT}${group}/${file}`, 'utf8')) ?? []
  /** Of a partition: what is exclusive, else what is allowed. */
  const own = (group: string) =>
    [read(group, 'cpuset.cpus.exclusive'), read(group, 'cpuset.cpus')].find(({ length }) => length > 0) ?? []
  const partition = (group: string) =>
    readFileSync(`${root}${MOUNT}${group}/cpuset.cpus.partition`, 'utf8').trim()
  const all = (at = ''): string[] =>
    readdirSync(`${root}${MOUNT}${at}`, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => [`${at}/${name}`, ...all(`${at}/${name}`)])

  /** A top group's CPUs are its own; one below groups that are no partitions needs them exclusive all the way. */
  function reasonAgainst(group: string): string | null {
    const cpus = own(group)
    const parts = group.split('/').slice(1)
    if (cpus.length === 0) return 'cpuset.cpus is empty'
    const ways = parts.length === 1 ? [] : parts.map((_, n) => `/${parts.slice(0, n + 1).join('/')}`)
    if (ways.some((way) => subtractCpuSets(cpus, read(way, 'cpuset.cpus.exclusive')).length > 0))
      return 'Invalid cpu list in cpuset.cpus.exclusive'
    const others = all().filter((one) => !group.startsWith(one) && !one.startsWith(`${group}/`))
    const theirs = others.flatMap((one) => [
      ...read(one, 'cpuset.cpus.exclusive'),
      ...(partition(one) === 'isolated' ? own(one) : []),
    ])
    return cpus.some((cpu) => theirs.includes(cpu)) ? 'Cpu list in cpuset.cpus not exclusive' : null
  }

  /** @param first whose change it is: it loses against the others */
  function settle(first = '') {
    for (const group of [first, ...all()].filter(
      (one) => one !== '' && partition(one).startsWith('isolated'),
    )) {
      const reason = reasonAgainst(group)
      const text = reason === null ? 'isolated' : `isolated invalid (${reason})`
      writeFileSync(`${root}${MOUNT}${group}/cpuset.cpus.partition`, `${text}\n`)
    }
    const isolated = all().filter((one) => partition(one) === 'isolated')
    const taken = unionCpuSets(...isolated.map(own))
    const left = subtractCpuSets(parseCpuSet(online) ?? [], taken)
    writeFileSync(`${root}${MOUNT}/cpuset.cpus.isolated`, `${formatCpuSet(taken)}\n`)
    for (const group of ['', ...all()]) {
      const cpus = isolated.includes(group) ? own(group) : left
      writeFileSync(`${root}${MOUNT}${group}/cpuset.cpus.effective`, `${formatCpuSet(cpus)}\n`)
    }
  }

  const write: WriteSysfs = (path, text) => {
    const group = path.slice(`${root}${MOUNT}`.length, path.lastIndexOf('/'))
    if (group !== '' && !existsSync(`${root}${MOUNT}${group}/cpuset.cpus`)) makeGroup(group)
    writes.push(`${path.slice(`${root}${MOUNT}`.length)} ${text.trim()}`.trim())
    writeFileSync(path, text)
    if (path.includes('/cpuset.')) settle(group)
  }
  return { write, writes, settle, cpus: read, partition, makeGroup }
}
