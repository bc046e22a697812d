import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { findGroup } from '../host/cgroup.js'
import { expandPattern } from '../host/check/expand.js'
import { KTHREADD_CHILDREN, readKernelThread } from '../host/kernel-threads.js'
import { isDomainsOwn } from '../host/nics.js'
import { pathsUpwards, readPartitions } from '../host/partitions.js'
import { CONFIG_HEADER_SIZE } from '../host/pci.js'
import { listDirectory, readLink } from '../host/sysfs.js'
import { type Root, requireSysfs } from '../host/sysroot.js'
import { CAPTURED_USES_PATH, formatCapturedUses } from '../host/use/captured.js'
import { hostUseOf } from '../host/use/host-use.js'
import { makeAnonymizer, withoutAddress } from './anonymize.js'
import { captureChecks } from './checks.js'
import { makeDirectory } from './directory.js'
import { GROUP_TEXTS, INTERFACE_TEXTS, isPlainGroup, LINKS, NAMES, PROCESS_TEXTS, TEXTS } from './sources.js'

/** How many files and links were written. */
export interface Captured {
  readonly files: number
}

/**
 * Copies what a plan and the checks read of a host into a directory, which `--sysroot` takes: a plan on it is the plan on the host.
 * What running VMs hold is left out.
 * @param root the host, empty for this one
 * @param out a directory that is empty or not there
 * @param anonymize without serial numbers, and with made-up MAC addresses
 * @throws {UserError} exit 65 when there is no host beneath the root; see `makeDirectory`
 */
export function captureHost(root: Root, out: string, anonymize: boolean): Captured {
  requireSysfs(root)
  return makeDirectory(out, (directory) => copyHost(root, directory, anonymize))
}

/** @param out an empty directory that nobody else can write */
function copyHost(root: Root, out: string, anonymize: boolean): Captured {
  const clean = anonymize ? makeAnonymizer() : (text: string) => text
  let files = 0
  const done = new Set<string>()
  const put = (path: string, write: (target: string) => void) => {
    // Plans and checks read some files both.
    if (done.has(path)) return
    done.add(path)
    mkdirSync(dirname(out + path), { recursive: true, mode: 0o755 })
    write(out + path)
    files++
  }
  const putText = (path: string, text: string | null) => {
    if (text !== null) put(path, (target) => writeFileSync(target, clean(text), NEW_FILE))
  }
  const putLink = (path: string, target: string) => put(path, (at) => symlinkSync(target, at))

  // First, so that all that is written below a device's link goes to its place in the tree.
  captureTree(root, out, putLink)
  for (const path of TEXTS.flatMap((pattern) => expand(root, pattern))) putText(path, readText(root + path))
  for (const path of LINKS.flatMap((pattern) => expand(root, pattern))) {
    const target = readLink(root + path)
    if (target !== null) putLink(path, target)
  }
  for (const path of NAMES.flatMap((pattern) => expand(root, pattern))) {
    if (existsSync(root + path) && listDirectory(root + path) === null) putText(path, '')
  }
  captureInterfaces(root, putText, putLink, clean)
  captureUses(root, putText, anonymize)
  captureProcess(root, putText, anonymize)
  captureKernelThreads(root, putText)
  captureChecks(root, putText, anonymize)
  for (const path of expand(root, '/sys/bus/pci/devices/*/config')) {
    // Serial numbers are in what only root can read.
    const bytes = readBytes(root + path)?.subarray(0, anonymize ? CONFIG_HEADER_SIZE : undefined)
    if (bytes !== undefined) put(path, (target) => writeFileSync(target, bytes, NEW_FILE))
  }
  return { files }
}

/** Nothing that is there is written to, nor through (open(2), O_EXCL), and nobody else may write. */
const NEW_FILE = { flag: 'wx', mode: 0o644 } as const

/** Where a PCI device stands in the kernel's tree, beneath its bridges: the bus has a link to there. */
const PLACE = /^(?:\.\.\/){3}(devices\/(?:[\w:.-]+\/)*[\w:.-]+)$/

/** The devices' own directories, empty, with the links to them: which bridges are above a device tells whether it is the same. */
function captureTree(root: Root, out: string, putLink: (path: string, target: string) => void): void {
  for (const path of expand(root, '/sys/bus/pci/devices/*')) {
    const place = PLACE.exec(readLink(root + path) ?? '')?.[1]
    if (place === undefined || place.split('/').includes('..')) continue
    mkdirSync(`${out}/sys/${place}`, { recursive: true, mode: 0o755 })
    putLink(path, `../../../${place}`)
  }
}

/** Writes a file of the copy; nothing for null. */
export type PutText = (path: string, text: string | null) => void

/** What the host uses its devices for, of those that vfio-pci does not have; anonymized without addresses. */
function captureUses(root: Root, putText: PutText, anonymize: boolean): void {
  const useOf = hostUseOf(root)
  const uses = (listDirectory(`${root}/sys/bus/pci/devices`) ?? []).sort().map((address) => {
    const found = useOf({ address })
    return [address, anonymize ? found.map(withoutAddress) : found] as const
  })
  putText(CAPTURED_USES_PATH, formatCapturedUses(Object.fromEntries(uses)))
}

/** An interface's link leads to the device that has it, which is what tells whose it is; of others the name is enough. */
function captureInterfaces(
  root: Root,
  putText: PutText,
  putLink: (path: string, target: string) => void,
  clean: (text: string) => string,
): void {
  for (const path of expand(root, '/sys/class/net/*')) {
    const goal = readLink(root + path)
    // The bonding driver's list of bonds is a file among the links.
    if (goal === null) continue
    const place = /\/([\da-f]{4,}:[\da-f]{2}:[\da-f]{2}\.[0-7](?:\/virtio\d+)?\/net\/[^/]+)$/.exec(goal)?.[1]
    if (place === undefined) {
      if (isDomainsOwn(root + path)) continue
      const name = clean(path.slice(path.lastIndexOf('/') + 1))
      putLink(`/sys/class/net/${name}`, `../../devices/virtual/net/${name}`)
      continue
    }
    putLink(path, `../../bus/pci/devices/${place}`)
    for (const name of INTERFACE_TEXTS)
      putText(`/sys/bus/pci/devices/${place}/${name}`, readText(`${root}${path}/${name}`))
    const index = readText(`${root}${path}/ifindex`)?.trim()
    const record = readText(`${root}/run/udev/data/n${index}`)
    // The rest of the record is of no use to a plan, and has serial numbers in it.
    putText(
      `/run/udev/data/n${index}`,
      record && `${(record.match(/^E:ID_NET_NAME.*$/gm) ?? []).join('\n')}\n`,
    )
  }
}

/** /proc/self as it is for this process, and the CPUs of its control group and those above. */
function captureProcess(root: Root, putText: PutText, anonymize: boolean): void {
  const texts = Object.fromEntries(
    PROCESS_TEXTS.map((name) => [name, readText(`${root}/proc/self/${name}`)]),
  ) as Record<(typeof PROCESS_TEXTS)[number], string | null>
  const mounts = linesWith(texts.mountinfo, / - cgroup2? /)
  putText('/proc/self/limits', linesWith(texts.limits, /^Max locked memory/))
  putText('/proc/self/status', linesWith(texts.status, /^(CapEff|Mems_allowed_list):/))
  putText('/proc/self/cgroup', texts.cgroup)
  putText('/proc/self/mountinfo', mounts)
  const group = findGroup('cpuset', texts.cgroup ?? '', mounts)
  if (group === null || leadsAway(`${group.mountPoint}${group.path}`)) return
  for (let path = group.path; ; path = path.slice(0, path.lastIndexOf('/'))) {
    for (const name of GROUP_TEXTS) {
      const file = `${group.mountPoint}${path}/${name}`
      putText(file, readText(root + file))
    }
    if (path === '') break
  }
  const above = pathsUpwards(group.path)
  for (const [index, { group: path }] of readPartitions(root).entries()) {
    if (above.includes(path) || leadsAway(`${group.mountPoint}${path}`)) continue
    const shown = anonymize ? withoutNames(path, `group${index}`) : path
    for (const name of GROUP_TEXTS)
      putText(`${group.mountPoint}${shown}/${name}`, readText(`${root}${group.mountPoint}${path}/${name}`))
  }
}

/** Of the kernel's threads those whose priorities a plan compares with those of vCPUs. */
function captureKernelThreads(root: Root, putText: PutText): void {
  const children =
    readText(root + KTHREADD_CHILDREN)
      ?.trim()
      .split(' ') ?? []
  const kept = children.filter((tid) => /^\d{1,10}$/.test(tid) && readKernelThread(root, tid) !== null)
  if (kept.length > 0) putText(KTHREADD_CHILDREN, `${kept.join(' ')}\n`)
  for (const tid of kept) putText(`/proc/${tid}/stat`, readText(`${root}/proc/${tid}/stat`))
}

/** A group without names of VMs and programs in its path: slices keep theirs. */
function withoutNames(path: string, name: string): string {
  return path
    .split('/')
    .map((part) => (part === '' || isPlainGroup(part) ? part : name))
    .join('/')
}

/** Whether a path may lead out of the copy: upwards, or through the devices' links. A host that was captured may say anything. */
function leadsAway(path: string): boolean {
  return path.split('/').includes('..') || /^\/+sys\/+(?!fs\/)/.test(path) || !path.startsWith('/')
}

function linesWith(text: string | null, pattern: RegExp): string {
  const lines = (text ?? '').split('\n').filter((line) => pattern.test(line))
  return `${lines.join('\n')}\n`
}

/** Paths that fit a pattern, without the root. */
function expand(root: Root, pattern: string): readonly string[] {
  return expandPattern(root, pattern).paths
}

function readText(path: string): string | null {
  return readBytes(path)?.toString('utf8') ?? null
}

function readBytes(path: string): Buffer | null {
  try {
    return readFileSync(path)
  } catch {
    return null
  }
}
