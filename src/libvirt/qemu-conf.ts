import { accessSync, constants, readFileSync } from 'node:fs'
import { noQemuUser } from '../errors/libvirt.js'
import { errorCode } from '../host/sysfs.js'
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

/** Whether what qemu.conf says is known: of a captured host only where it was captured, too. */
export function isQemuConfKnown(root: Root): boolean {
  try {
    accessSync(root + QEMU_CONF, constants.R_OK)
    return true
  } catch (error) {
    return root === '' && errorCode(error) === 'ENOENT'
  }
}

/** Longer than any, and read whole. */
const MAX_LENGTH = 1 << 20

/** A setting's value: a text, or a list of them. */
type Value = string | readonly string[]

/**
 * Reads the text of a qemu.conf: `key = "text"`, and lists in brackets over any number of lines (libvirt:
 * src/util/virconf.c). One longer than 1 MiB says nothing.
 */
export function parseQemuConf(text: string): QemuConf {
  const settings = text.length > MAX_LENGTH ? new Map<string, Value>() : readSettings(text)
  const list = (key: string) => {
    const value = settings.get(key)
    return typeof value === 'object' ? value : null
  }
  const user = settings.get('user')
  return {
    user: typeof user === 'string' && user !== '' ? user : null,
    hasOwnDev: list('namespaces')?.includes('mount') ?? true,
    limitsDevices: list('cgroup_controllers')?.includes('devices') ?? true,
    deviceAcl: list('cgroup_device_acl') ?? DEFAULT_ACL,
  }
}

/** A comment, a text in quotes, a word, or one character. */
const TOKEN = /#[^\n]*|"([^"\n]*)"|'([^'\n]*)'|\w+|\S/g

function readSettings(text: string): Map<string, Value> {
  const settings = new Map<string, Value>()
  const tokens = [...text.matchAll(TOKEN)].filter(([token]) => !token.startsWith('#'))
  const textAt = (at: number) => tokens[at]?.[1] ?? tokens[at]?.[2]
  for (let at = 0; at < tokens.length; at++) {
    const [key = ''] = tokens[at] ?? []
    if (tokens[at + 1]?.[0] !== '=' || textAt(at) !== undefined) continue
    at += 2
    const values: string[] = []
    if (tokens[at]?.[0] !== '[') {
      const value = textAt(at)
      if (value !== undefined && !settings.has(key)) settings.set(key, value)
      continue
    }
    for (at++; at < tokens.length && tokens[at]?.[0] !== ']'; at++) {
      const value = textAt(at)
      if (value !== undefined) values.push(value)
    }
    if (at < tokens.length && !settings.has(key)) settings.set(key, values)
  }
  return settings
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
  const uid = findQemuUid(root, named)
  if (uid === null) throw noQemuUser({ names: namesOf(named) })
  return uid
}

/** As `qemuUid`; null when there is no such user. */
export function findQemuUid(root: Root, named: string | null): number | null {
  const passwd = readOrEmpty(`${root}/etc/passwd`)
  const uidOf = (name: string) => {
    const line = passwd.split('\n').find((one) => one.startsWith(`${name}:`))
    return line === undefined ? undefined : Number(line.split(':')[2])
  }
  const known = namesOf(named)
    .map(uidOf)
    .find((uid) => uid !== undefined)
  const number = /^\+?(\d+)$/.exec(named ?? '')?.[1]
  return known ?? (number === undefined ? null : Number(number))
}

function namesOf(named: string | null): readonly string[] {
  return named === null ? DISTRIBUTIONS_USERS : [named]
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
