import { type CpuSet, formatCpuSet, subtractCpuSets } from '../../units/cpu-set.js'
import type { HostPlan, PlannedFile } from '../host/plan.js'
import { CGROUPS } from './controller.js'

export const ISOLATE_UNIT = 'qemu-rt-isolate.service'
export const ISOLATE_UNIT_FILE = `/etc/systemd/system/${ISOLATE_UNIT}`
/** What `systemctl enable` would make. */
export const ISOLATE_UNIT_LINK = `/etc/systemd/system/multi-user.target.wants/${ISOLATE_UNIT}`
export const ISOLATE_UNIT_TARGET = `../${ISOLATE_UNIT}`

/** Groups of systemd's that have all but the VMs; machine.slice has these. systemd.special(7). */
const SLICES = [
  ['system.slice', 'Slice'],
  ['user.slice', 'Slice'],
  ['init.scope', 'Scope'],
] as const

export interface IsolationInput {
  readonly realtime: CpuSet
  readonly online: CpuSet
  /** The launcher, for the unit; null when it may not run as root at boot. */
  readonly launcher: string | null
  /** The configuration, where it is not the default one. */
  readonly config: string | null
}

/** What `host isolate` does beside the partition: values of groups, and files. */
export interface IsolationPlan extends Pick<HostPlan, 'runtime' | 'files'> {
  readonly realtime: CpuSet
  readonly others: CpuSet
}

/** Plans which CPUs the system keeps: all but the real-time ones, those of a switch among them, which runs as a service. Pure. */
export function planIsolation({ realtime, online, launcher, config }: IsolationInput): IsolationPlan {
  const others = subtractCpuSets(online, realtime)
  const allowed = formatCpuSet(others)
  return {
    realtime,
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
      ...(launcher === null ? [] : [{ path: ISOLATE_UNIT_FILE, text: unit(launcher, config) }]),
    ],
  }
}

/** systemd.resource-control(5), AllowedCPUs=: it also has systemd keep the cpuset controller on. */
function dropIn(name: string, section: string, allowed: string): PlannedFile {
  return {
    path: `/etc/systemd/system/${name}.d/50-qemu-rt.conf`,
    text: `# Written by qemu-rt host isolate; qemu-rt host isolate --undo takes it away.\n[${section}]\nAllowedCPUs=${allowed}\n`,
  }
}

function unit(launcher: string, config: string | null): string {
  const options = config === null ? '' : ` --config ${config}`
  return `# Written by qemu-rt host isolate; qemu-rt host isolate --undo takes it away.
[Unit]
Description=Isolate the CPUs of real-time VMs
Documentation=man:qemu-rt(1)
After=local-fs.target
Before=libvirtd.service virtqemud.service libvirt-guests.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${launcher} host isolate --at-boot${options}

[Install]
WantedBy=multi-user.target
`
}
