import type { Subject } from '../../checks/check.js'
import { type Result, runChecks } from '../../checks/run.js'
import { readTuned } from '../../checks/tuned.js'
import type { Level } from '../../errors/finding.js'
import { bootloaderAdvice } from './bootloader.js'
import { isSame } from './compare.js'
import { wantedParameters } from './parameters.js'
import {
  isMiss,
  type LastingSetting,
  type LeftAlone,
  type RuntimeSetting,
  wantedSettings,
} from './settings.js'
import { SYSCTL_FILE } from './sysctls.js'

export { SYSCTL_FILE }
/** Not the name that the checks advise for what a person writes: nobody else is to write into it. */
export const MODPROBE_FILE = '/etc/modprobe.d/qemu-rt.conf'
export const UNIT = 'qemu-rt-host.service'
export const UNIT_FILE = `/etc/systemd/system/${UNIT}`
/** What `systemctl enable` would make. */
export const UNIT_LINK = `/etc/systemd/system/multi-user.target.wants/${UNIT}`
export const UNIT_LINK_TARGET = `../${UNIT}`

/** A file that makes settings last. */
export interface PlannedFile {
  readonly path: string
  /** Stands alone, or after what somebody else has written into the file. */
  readonly text: string
}

/** What a check finds that is for a person to mend. */
interface Unmended {
  readonly check: string
  readonly level: Level
}

/** What `host apply` does to a host. */
export interface HostPlan {
  readonly runtime: readonly RuntimeSetting[]
  readonly files: readonly PlannedFile[]
  /** What others have set, and these files set otherwise. */
  readonly overridden: readonly string[]
  readonly commandLine: {
    readonly add: readonly string[]
    readonly remove: readonly string[]
    readonly bootloader: string | null
    readonly advice: readonly string[]
  }
  /** What somebody else owns, or what has to wait. */
  readonly left: readonly LeftAlone[]
  /** Checks whose misses are for a person to mend: `host check` says how. */
  readonly unmended: readonly Unmended[]
}

export interface PlanInput {
  readonly subject: Subject
  /** The launcher, for the unit; null when it may not run as root at boot. */
  readonly launcher: string | null
  /** Whether systemd starts this host; for another init there is no unit. */
  readonly hasSystemd: boolean
  /** The configuration, where it is not the default one. */
  readonly config: string | null
  /** Which of the files that tell bootloaders apart are there. */
  readonly signs: ReadonlySet<string>
}

/** Plans what to set on a host by what its checks find. Pure. */
export function planHost(input: PlanInput): HostPlan {
  const { subject, launcher, config, signs, hasSystemd } = input
  const results = runChecks(subject)
  const { runtime, lasting, left, overridden, covered } = wantedSettings(subject, results)
  const missed = new Set(results.filter(isMiss).map(({ id }) => id))
  const differing = runtime.filter(
    ({ check, form, now, wanted }) => missed.has(check) && now !== null && !isSame(form, now, wanted),
  )
  // A value that is as good as what is wanted, and another, is somebody's choice: it is not written over at boot.
  const lines = (place: LastingSetting['place']) =>
    lasting
      .filter((setting) => setting.place === place)
      .filter(
        ({ check, value }) =>
          value === null ||
          (value.now !== null && (missed.has(check) || isSame(value.form, value.now, value.wanted))),
      )
      .map(({ line }) => line)
  const parameters = wantedParameters(subject, results, isMiss)
  const rest = results.filter((one) => !covered.has(one.id) && !parameters.covered.has(one.id))
  const { name, lines: advice } = bootloaderAdvice(signs, parameters.add.join(' '))
  return {
    runtime: differing,
    files: [
      ...file(SYSCTL_FILE, lines('sysctl')),
      ...file(MODPROBE_FILE, lines('modprobe')),
      ...(launcher === null || !hasSystemd ? [] : [{ path: UNIT_FILE, text: unit(launcher, config) }]),
    ],
    overridden,
    commandLine: { ...parameters, bootloader: name, advice },
    left: [
      ...left,
      ...rest.filter(isMiss).flatMap(ownedByTuned),
      ...unknownOfTuned(subject),
      ...whyNoUnit(input),
    ],
    unmended: rest.filter(needsOperator).map(({ id, level }) => ({ check: id, level })),
  }
}

/** Whether a check says what somebody has to do, be it to weigh it. A NOTE without advice is no work for anybody. */
function needsOperator(result: Result): boolean {
  const { level, todo, tunedProfile } = result
  return tunedProfile === null && (isMiss(result) || (level === 'note' && todo != null))
}

function whyNoUnit({ launcher, config, hasSystemd }: PlanInput): LeftAlone[] {
  if (launcher === null)
    return [
      {
        check: 'at boot',
        why: `${UNIT} is not written, since others than root could change the launcher or a directory above it, or its name is unusual; install qemu-rt with install.sh`,
      },
    ]
  if (hasSystemd) return []
  const command = atBoot(launcher, config)
  return [
    {
      check: 'at boot',
      why: `this host has no systemd, so ${UNIT} is not written; have its init run "${command}" as root before VMs start`,
    },
  ]
}

function atBoot(launcher: string, config: string | null): string {
  return `${launcher} host apply --at-boot${config === null ? '' : ` --config ${config}`}`
}

function ownedByTuned({ id, tunedProfile, what }: Result): LeftAlone[] {
  return tunedProfile === null
    ? []
    : [{ check: id, why: `${what}; tuned's profile '${tunedProfile}' owns it, so ${TUNED_ADVICE}` }]
}

function unknownOfTuned({ facts }: Subject): LeftAlone[] {
  return readTuned(facts).unknown.map((what) => ({
    check: 'tuned',
    why: `${what}, and which profile that is is not known, so tuned may set back what is set here; see tuned-adm(8), profile_info`,
  }))
}

const TUNED_ADVICE = 'correct it there or in a profile of your own that includes it'

/** @returns none when there is nothing to write */
function file(path: string, lines: readonly string[]): PlannedFile[] {
  return lines.length === 0 ? [] : [{ path, text: `${[...HEADING, ...lines].join('\n')}\n` }]
}

const HEADING = [
  '# qemu-rt host apply has written what follows, and writes it anew; qemu-rt host undo takes it away.',
  '# docs/host-check.md explains each value.',
]

/**
 * The rest of what is to last, such as threads of the kernel's, has other numbers after each boot: so a unit looks for it
 * anew. It comes after what may set the same values and makes the files for them, and before VMs.
 */
function unit(launcher: string, config: string | null): string {
  return `# Written by qemu-rt host apply; qemu-rt host undo removes it.
[Unit]
Description=Set what real-time VMs need of this host
Documentation=man:qemu-rt(1)
After=local-fs.target systemd-sysctl.service systemd-modules-load.service sys-kernel-debug.mount tuned.service irqbalance.service
Before=libvirtd.service virtqemud.service libvirt-guests.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${atBoot(launcher, config)}

[Install]
WantedBy=multi-user.target
`
}
