import { type CpuSet, formatCpuSet, subtractCpuSets, unionCpuSets } from '../../units/cpu-set.js'
import type { HostPlan, PlannedFile } from '../host/plan.js'
import { CGROUPS } from './controller.js'
import { SWITCH_SLICE } from './group-steps.js'

export const ISOLATE_UNIT = 'qemu-rt-isolate.service'
export const ISOLATE_UNIT_FILE = `/etc/systemd/system/${ISOLATE_UNIT}`
/** What `systemctl enable` would make. */
export const ISOLATE_UNIT_LINK = `/etc/systemd/system/multi-user.target.wants/${ISOLATE_UNIT}`
export const ISOLATE_UNIT_TARGET = `../${ISOLATE_UNIT}`

/** Begins each file. */
const WRITTEN = '# Written by qemu-rt host isolate; qemu-rt host isolate --undo takes it away.'

/** Groups of systemd's that have all but the VMs; machine.slice has these. systemd.special(7). */
const SLICES = [
  ['system.slice', 'Slice'],
  ['user.slice', 'Slice'],
  ['init.scope', 'Scope'],
] as const

export interface IsolationInput {
  readonly realtime: CpuSet
  /** Empty where there is none. */
  readonly switches: CpuSet
  readonly online: CpuSet
  /** The launcher, for the unit; null when it may not run as root at boot. */
  readonly launcher: string | null
  /** The configuration, where it is not the default one. */
  readonly config: string | null
}

/** What `host isolate` does beside the partition: values of groups, and files. */
export interface IsolationPlan extends Pick<HostPlan, 'runtime' | 'files'> {
  readonly realtime: CpuSet
  readonly switches: CpuSet
  /** What the system keeps. */
  readonly others: CpuSet
}

/** Plans which CPUs the system keeps: all but those of real-time VMs and of the switch. Pure. */
export function planIsolation(input: IsolationInput): IsolationPlan {
  const { realtime, switches, online, launcher, config } = input
  const others = subtractCpuSets(online, unionCpuSets(realtime, switches))
  const allowed = formatCpuSet(others)
  return {
    realtime,
    switches,
    others,
    runtime: SLICES.map(([name]) => {
      const path = `${CGROUPS}/${name}/cpuset.cpus`
      return {
        check: 'isolation.slices',
        kind: 'file',
        target: path,
        name: path,
        form: 'list',
        now: null,
        wanted: allowed,
      }
    }),
    files: [
      ...SLICES.map(([name, section]) => dropIn(name, section, allowed)),
      ...(switches.length === 0 ? [] : [switchSlice(formatCpuSet(switches))]),
      ...(launcher === null
        ? []
        : [{ path: ISOLATE_UNIT_FILE, text: unit(launcher, config, switches.length > 0) }]),
    ],
  }
}

/** systemd.resource-control(5), AllowedCPUs=: it also has systemd keep the cpuset controller on. */
function dropIn(name: string, section: string, allowed: string): PlannedFile {
  return {
    path: `/etc/systemd/system/${name}.d/50-qemu-rt.conf`,
    text: `${WRITTEN}\n[${section}]\nAllowedCPUs=${allowed}\n`,
  }
}

/** systemd.slice(5). The unit that wants it keeps its group there while no service is in it. */
function switchSlice(cpus: string): PlannedFile {
  return {
    path: `/etc/systemd/system/${SWITCH_SLICE}`,
    text: `${WRITTEN}
[Unit]
Description=CPUs of the poll-mode switch
Documentation=man:qemu-rt(1)

[Slice]
AllowedCPUs=${cpus}
`,
  }
}

function unit(launcher: string, config: string | null, hasSwitch: boolean): string {
  const options = config === null ? '' : ` --config ${config}`
  return `${WRITTEN}
[Unit]
Description=Isolate the CPUs of real-time VMs
Documentation=man:qemu-rt(1)
${hasSwitch ? `Wants=${SWITCH_SLICE}\n` : ''}After=local-fs.target${hasSwitch ? ` ${SWITCH_SLICE}` : ''}
Before=libvirtd.service virtqemud.service libvirt-guests.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${launcher} host isolate --at-boot${options}

[Install]
WantedBy=multi-user.target
`
}
