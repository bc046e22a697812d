import { readFileSync } from 'node:fs'
import { noQemuUser } from '../errors/libvirt.js'
import type { Root } from '../host/sysroot.js'

const QEMU_CONF = '/etc/libvirt/qemu.conf'

/** What libvirt's qemu.conf says of how a QEMU is kept apart; see the comments in that file for each. */
export interface QemuConf {
  /** User that QEMU runs as; null when the file does not say. */
  readonly user: string | null
  /** Whether each QEMU has a /dev of its own, with those devices alone that libvirt knows of. */
  readonly hasOwnDev: boolean
  /** Whether its cgroup lets it open those devices alone. */
  readonly limitsDevices: boolean
  /** What every QEMU may open besides. */
  readonly deviceAcl: readonly string[]
}

/** What libvirt lets a QEMU open when nobody says (src/qemu/qemu_cgroup.c, defaultDeviceACL). */
const DEFAULT_ACL = [
  '/dev/null',
  '/dev/full',
  '/dev/zero',
  '/dev/random',
  '/dev/urandom',
  '/dev/ptmx',
  '/dev/kvm',
]

/** Reads qemu.conf; one that is missing says nothing, which leaves libvirt's defaults. */
export function readQemuConf(root: Root): QemuConf {
  return parseQemuConf(readOrEmpty(root + QEMU_CONF))
}

/** Reads the text of a qemu.conf: `key = "text"`, and lists in brackets over any number of lines. */
export function parseQemuConf(text: string): QemuConf {
  const active = text.replace(/^\s*#.*$/gm, '')
  const list = (key: string) => {
    const inside = new RegExp(`^\\s*${key}\\s*=\\s*\\[([^\\]]*)\\]`, 'm').exec(active)?.[1]
    return inside === undefined ? null : [...inside.matchAll(/"([^"]*)"/g)].map(([, value = '']) => value)
  }
  return {
    user: /^\s*user\s*=\s*"([^"]+)"/m.exec(active)?.[1] ?? null,
    hasOwnDev: list('namespaces')?.includes('mount') ?? true,
    limitsDevices: list('cgroup_controllers')?.includes('devices') ?? true,
    deviceAcl: list('cgroup_device_acl') ?? DEFAULT_ACL,
  }
}

/** What distributions build libvirt with: Debian and Ubuntu, then Fedora, RHEL and SUSE. */
const DISTRIBUTIONS_USERS = ['libvirt-qemu', 'qemu']

/**
 * The user that QEMU runs as.
 * @param named by the domain's XML or qemu.conf: a name, a number, or `+number`; null leaves the distribution's
 * @returns its UID
 * @throws {UserError} exit 69 when there is no such user
 */
export function qemuUid(root: Root, named: string | null): number {
  const passwd = readOrEmpty(`${root}/etc/passwd`)
  const uidOf = (name: string) => {
    const line = passwd.split('\n').find((one) => one.startsWith(`${name}:`))
    return line === undefined ? undefined : Number(line.split(':')[2])
  }
  const names = named === null ? DISTRIBUTIONS_USERS : [named]
  const known = names.map(uidOf).find((uid) => uid !== undefined)
  const number = /^\+?(\d+)$/.exec(named ?? '')?.[1]
  const uid = known ?? (number === undefined ? undefined : Number(number))
  if (uid === undefined) throw noQemuUser({ names })
  return uid
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
