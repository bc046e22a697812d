import type { OwnerFact } from '../host/check/facts.js'
import { leaseDirectory, rootsDirectory, runDirectory } from '../record/place.js'
import type { Check, Subject, Verdict } from './check.js'
import { allowsPriority, daemonLimit, LIMITS_ID } from './judge/limits.js'
import { few, isAbsent, seesHost, textOf, textsOf, whyNot } from './look.js'
import { met, missed, noted, notHere, unknown } from './verdicts.js'

const AGAIN = 'run the installation again, as root: ./install.sh'
const INSTALLER = 'install.sh'
const HIDDEN = "the host's own files are not to be seen from here"

/** Each by the places that distributions have it. */
const PROGRAMS = ['flock', 'taskset', 'chrt', 'prlimit'].map((name) => ({
  name,
  paths: [`/usr/bin/${name}`, `/bin/${name}`],
}))

/** A package's directory may lie behind a link, `/bin` to `/usr/bin`. */
function thereOf({ facts }: Subject, paths: readonly string[]): string[] {
  return paths.filter((path) => facts.owners?.has(path))
}

const utilLinux: Check = {
  id: 'install.util-linux',
  group: 'install',
  severity: 'fail',
  look: 'for the programs that a launch needs',
  reads: [],
  owners: PROGRAMS.flatMap(({ paths }) => paths),
  wanted: () => PROGRAMS.map(({ name }) => name).join(', '),
  judge: (subject) => {
    if (subject.facts.owners === null) return unknown(subject.facts.whyNoThreads)
    const gone = PROGRAMS.filter(({ paths }) => thereOf(subject, paths).length === 0).map(({ name }) => name)
    if (gone.length > 0 && !seesHost(subject.facts)) return unknown(HIDDEN)
    return gone.length === 0 ? met('there') : missed(utilLinux, `${gone.join(', ')} not in /usr/bin or /bin`)
  },
  why: 'The launcher holds leases by flock and starts QEMU by taskset; the tuner sets policies by chrt.',
  fixedBy: 'system',
  fix: () => 'install util-linux by the package manager (Fedora and RHEL: util-linux and util-linux-core)',
  source: 'docs/threads.md',
}

/** What only root may be able to change. */
function problemsOf(path: string, owner: OwnerFact | undefined, mode: number | null): string[] {
  if (owner === undefined) return []
  if (owner.uid !== 0) return [`${path} belongs to user ${owner.uid}, not to root`]
  if (mode !== null && owner.mode !== mode)
    return [`${path} has mode ${octal(owner.mode)}, not ${octal(mode)}`]
  const isSticky = (owner.mode & 0o1000) !== 0
  return (owner.mode & 0o022) !== 0 && !isSticky && owner.kind !== 'other'
    ? [`${path} can be written by others (mode ${octal(owner.mode)})`]
    : []
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

function judgePaths(check: Check, subject: Subject, paths: readonly string[], whenGone: Verdict): Verdict {
  const { facts } = subject
  if (facts.owners === null) return unknown(facts.whyNoThreads)
  const there = thereOf(subject, paths)
  if (there.length === 0) return seesHost(facts) ? whenGone : unknown(HIDDEN)
  const problems = there.flatMap((path) => problemsOf(path, facts.owners?.get(path), null))
  return problems.length === 0 ? met(there.join(', ')) : missed(check, few(problems))
}

const LAUNCHER = [
  '/usr/local/bin/qemu-rt',
  '/usr/bin/qemu-rt',
  '/usr/local/lib/qemu-rt',
  '/usr/lib/qemu-rt',
  '/usr/local/lib/qemu-rt/qemu-rt-planner',
  '/usr/lib/qemu-rt/qemu-rt-planner',
]

const launcher: Check = {
  id: 'install.launcher',
  group: 'install',
  severity: 'fail',
  look: "for a launcher that is root's alone to change",
  reads: [],
  owners: LAUNCHER,
  wanted: () => "root's, and written by root alone",
  judge: (subject) =>
    judgePaths(
      launcher,
      subject,
      LAUNCHER,
      noted('it is not in /usr/local or /usr: installed elsewhere, or not at all', AGAIN),
    ),
  why: "libvirt's daemon runs it as every VM, and root's hook runs its planner.",
  fixedBy: 'system',
  fix: () => AGAIN,
  source: INSTALLER,
}

/** Where install.sh puts libvirt's hook (https://libvirt.org/hooks.html). */
export const HOOK_PATH = '/etc/libvirt/hooks/qemu.d/qemu-rt'

const HOOK = [HOOK_PATH, '/etc/libvirt/hooks/qemu.d', '/etc/libvirt/hooks']

const hook: Check = {
  id: 'install.hook',
  group: 'install',
  severity: 'warn',
  look: "for libvirt's hook",
  reads: [],
  owners: HOOK,
  wanted: () => "root's, executable, and written by root alone",
  judge: (subject) => {
    const { facts } = subject
    if (facts.owners === null) return unknown(facts.whyNoThreads)
    const [path = ''] = HOOK
    const own = facts.owners.get(path)
    if (own === undefined && !seesHost(facts)) return unknown(HIDDEN)
    if (own === undefined)
      return missed(hook, `${path} is not there: named NICs are not bound, threads not set as root`)
    if ((own.mode & 0o111) === 0)
      return missed(hook, `${path} is not executable`, `run as root: chmod 0755 ${path}`)
    return judgePaths(hook, subject, HOOK, met(''))
  },
  why: 'It gives named NICs to a VM before it starts and takes them back, and sets threads as root.',
  fixedBy: 'system',
  fix: () => `${AGAIN}; then restart libvirtd or virtqemud, which reads hooks when it starts`,
  source: `${INSTALLER}; https://libvirt.org/hooks.html`,
}

const RECORDS = [
  { path: runDirectory('/'), mode: 0o755 },
  { path: rootsDirectory('/'), mode: 0o755 },
  { path: leaseDirectory('/'), mode: 0o3770 },
]

const directories: Check = {
  id: 'install.run-directories',
  group: 'install',
  severity: 'fail',
  look: 'for the directories of records and leases',
  reads: [],
  owners: RECORDS.map(({ path }) => path),
  wanted: () => RECORDS.map(({ path, mode }) => `${path} ${octal(mode)} root`).join(', '),
  judge: ({ facts }) => {
    const { owners } = facts
    if (owners === null) return unknown(facts.whyNoThreads)
    const there = RECORDS.filter(({ path }) => owners.has(path))
    if (there.length === 0 && !seesHost(facts)) return unknown(HIDDEN)
    if (there.length === 0)
      return noted(
        'they are not there yet: systemd-tmpfiles makes them at boot, the hook or a launch when needed',
      )
    const problems = there.flatMap(({ path, mode }) => problemsOf(path, owners.get(path), mode))
    return problems.length === 0 ? met('as install.sh makes them') : missed(directories, few(problems))
  },
  why: 'Who can write there could take a NIC or CPU of a running VM for free.',
  fixedBy: 'system',
  fix: () =>
    'run as root: systemd-tmpfiles --create /etc/tmpfiles.d/qemu-rt.conf; where that file is not there: ./install.sh',
  source: 'system/tmpfiles.conf; docs/security.md',
}

const APPARMOR = '/sys/module/apparmor/parameters/enabled'
const APPARMOR_PART = '/etc/apparmor.d/local/abstractions/libvirt-qemu'
/** The first line of what install.sh adds. */
export const INSTALLED_PART = '# begin qemu-rt (install.sh)'

const apparmor: Check = {
  id: 'install.apparmor',
  group: 'install',
  severity: 'warn',
  look: "for the lines in AppArmor's profile of domains",
  reads: [APPARMOR, APPARMOR_PART],
  wanted: () => `what install.sh adds to ${APPARMOR_PART}, where AppArmor is on`,
  judge: ({ facts }) => {
    const on = textOf(facts, APPARMOR)
    if (on !== 'Y')
      return on !== null || isAbsent(facts, APPARMOR)
        ? notHere('AppArmor is off')
        : unknown(whyNot(facts, APPARMOR))
    const text = textOf(facts, APPARMOR_PART)
    if (text?.includes(INSTALLED_PART)) return met('there')
    if (text === null && !isAbsent(facts, APPARMOR_PART)) return unknown(whyNot(facts, APPARMOR_PART))
    return missed(apparmor, `${APPARMOR_PART} does not have them`)
  },
  why: 'libvirt confines each QEMU, and the launcher is started as QEMU: without these lines it may not run.',
  fixedBy: 'system',
  fix: () => AGAIN,
  source: `${INSTALLER}; docs/security.md`,
}

const LIMITS = [
  '/etc/systemd/system/libvirtd.service.d/*.conf',
  '/etc/systemd/system/virtqemud.service.d/*.conf',
  '/usr/lib/systemd/system/libvirtd.service.d/*.conf',
  '/usr/lib/systemd/system/virtqemud.service.d/*.conf',
]

export const LIMIT_FILES = LIMITS

/** What a unit's drop-in sets, the last one wins; null when none says it. */
function unitLimit({ facts }: Subject, name: string): string | null {
  const lines = LIMITS.flatMap((pattern) => textsOf(facts, pattern)).flatMap(([, text]) => text.split('\n'))
  return (
    lines.flatMap((line) => new RegExp(`^\\s*${name}\\s*=\\s*(\\S+)`).exec(line)?.[1] ?? []).at(-1) ?? null
  )
}

const limits: Check = {
  id: LIMITS_ID,
  group: 'install',
  severity: 'warn',
  look: "for what libvirt's daemon may ask of the kernel",
  reads: LIMITS,
  also: "limits of libvirt's daemon while it runs: /proc/PID/limits",
  wanted: () => "RLIMIT_RTPRIO as high as a profile's priority, RLIMIT_MEMLOCK unlimited for lock-memory",
  judge: (subject) => {
    const { facts, sets, profiles } = subject
    const priority = sets.vcpuPriority ?? 0
    const locks = profiles.some(({ lockMemory }) => lockMemory)
    if (priority === 0 && !locks) return notHere('no profile needs any')
    const problems = facts.daemons.flatMap(({ name, realtimePriority, lockedMemory }) => [
      ...(allowsPriority(realtimePriority, priority)
        ? []
        : [`${name} has RLIMIT_RTPRIO ${realtimePriority}`]),
      ...(locks && lockedMemory !== 'unlimited' ? [`${name} has RLIMIT_MEMLOCK ${lockedMemory}`] : []),
    ])
    if (facts.daemons.length > 0)
      return problems.length === 0
        ? met(facts.daemons.map(({ name }) => name).join(', '))
        : missed(limits, few(problems))
    // It is not running, or not to be looked at: what systemd will give it.
    const written = [unitLimit(subject, 'LimitRTPRIO'), unitLimit(subject, 'LimitMEMLOCK')]
    if (written.every((one) => one === null))
      return unknown(
        "no daemon of libvirt's is running that this user may look at, and none of its units says",
      )
    const [realtime, memory] = written
    const isEnough =
      (realtime === 'infinity' || Number(realtime ?? 0) >= priority) && (!locks || memory === 'infinity')
    return isEnough
      ? met('by its unit')
      : missed(limits, `LimitRTPRIO=${realtime ?? ''} LimitMEMLOCK=${memory ?? ''} in its unit`)
  },
  why: 'QEMU has its limits from the daemon. Without the hook it sets its threads and locks its memory within these.',
  fixedBy: 'system',
  fix: () =>
    `write "[Service]", "${daemonLimit('LimitRTPRIO')}" and "${daemonLimit('LimitMEMLOCK')}", a line each, into /etc/systemd/system/libvirtd.service.d/qemu-rt.conf (or virtqemud.service.d) and run as root: systemctl daemon-reload, then restart the daemon`,
  source: 'system/systemd/limits.conf; docs/real-time.md',
}

export const INSTALL_CHECKS: readonly Check[] = [utilLinux, launcher, hook, directories, apparmor, limits]
