import { existsSync } from 'node:fs'
import { writeSysfs } from '../../change/driver.js'
import { accessTo } from '../../change/host/access.js'
import { withHostLock } from '../../change/host/lock.js'
import { discardUnwrittenRecord, ISOLATE_RECORD_FILE, readApplyRecord } from '../../change/host/record.js'
import { fileContent, type Host } from '../../change/host/steps.js'
import {
  configForUnit,
  forgetUnit,
  hasSystemd,
  launcherForUnit,
  reloadUnits,
} from '../../change/host/surroundings.js'
import { lookAtUndo, undoHost } from '../../change/host/undo.js'
import { CGROUPS } from '../../change/isolate/controller.js'
import { RESERVE_PATH } from '../../change/isolate/group-steps.js'
import { isolateHost } from '../../change/isolate/isolate.js'
import {
  ISOLATE_UNIT,
  ISOLATE_UNIT_FILE,
  type IsolationPlan,
  planIsolation,
} from '../../change/isolate/plan.js'
import { isolationText } from '../../change/isolate/text.js'
import { lentCpus } from '../../change/reserve.js'
import { exampleOfHost } from '../../checks/configuration.js'
import { runChecks } from '../../checks/run.js'
import { findConfig } from '../../config/find.js'
import { hostCpusNotConfigured, hostCpusNotThere } from '../../errors/host-apply.js'
import { cpusHaveVm, noCpusets, noRemotePartitions, nothingLeft } from '../../errors/host-isolate.js'
import { EXIT } from '../../errors/user-error.js'
import { readAttribute } from '../../host/sysfs.js'
import { openSysroot, type Root } from '../../host/sysroot.js'
import { describeHolder } from '../../plan/leases.js'
import { readLeases } from '../../record/leases/read.js'
import { report, writeAll } from '../../report/output.js'
import { formatCpuSet, intersectCpuSets, subtractCpuSets, unionCpuSets } from '../../units/cpu-set.js'
import { printableLines } from '../../units/printable.js'
import { checkRoot } from './apply.js'
import { readSubject } from './subject.js'
import { tell } from './undo.js'

export interface HostIsolateOptions {
  readonly config?: string
  readonly sysroot: string
  readonly dryRun: boolean
  readonly undo: boolean
  /** What the unit runs: the partition and the groups alone, no files. */
  readonly atBoot: boolean
}

/**
 * Keeps everything but VMs off the real-time CPUs of `[host]`, by cgroups: no isolcpus= and no reboot. With `undo` all of it
 * is as before.
 * @throws {UserError} exit 69 without cgroup v2, remote partitions, or while a VM has such a CPU; 77 without root's rights; 78
 *   without `[host] realtime`
 */
export async function hostIsolate(options: HostIsolateOptions): Promise<void> {
  const root = openSysroot(options.sysroot)
  checkRoot(root, 'host isolate', options.dryRun)
  return options.undo ? undo(root, options.dryRun) : isolate(root, options)
}

async function isolate(root: Root, options: HostIsolateOptions): Promise<void> {
  const { dryRun, atBoot, sysroot } = options
  const { plan, hasUnit } = await readPlan(root, options)
  checkHost(root, sysroot, plan)
  const known = readApplyRecord(root, ISOLATE_RECORD_FILE)?.changes ?? []
  const files = plan.files.map(({ path, text }) => ({
    path,
    isThere: fileContent(root, { path, text }, known).now?.text === text,
  }))
  writeAll(1, printableLines(isolationText(plan, files, dryRun)))
  if (dryRun) return
  if (!hasUnit && !atBoot && hasSystemd(root))
    report(`${ISOLATE_UNIT} is not written: others than root may change the launcher`)
  const host: Host = { root, access: accessTo(root) }
  const { changed, hasNewUnit, refused } = await withHostLock(root, () => isolateHost(host, plan, writeSysfs))
  for (const line of refused) report(`the kernel refused ${line}`)
  const failure = hasNewUnit ? await reloadUnits(root) : null
  if (failure !== null) report(`run: systemctl daemon-reload (${failure})`)
  const cpus = formatCpuSet(unionCpuSets(plan.realtime, plan.switches))
  writeAll(
    1,
    changed === 0
      ? `\nNothing was changed: CPU ${cpus} is isolated already.\n`
      : `\nCPU ${cpus} is isolated; qemu-rt host isolate --undo puts it back.\n`,
  )
  if (refused.length > 0 && !atBoot) process.exitCode = EXIT.unavailable
}

async function readPlan(
  root: Root,
  { config, sysroot, dryRun, atBoot }: HostIsolateOptions,
): Promise<{ plan: IsolationPlan; hasUnit: boolean }> {
  const found = findConfig(config, process.env)
  const subject = await readSubject({
    sysroot,
    isRoots: root === '' && !dryRun,
    ...(config === undefined ? {} : { config }),
  })
  const { configured, sets } = subject
  const { realtime } = configured
  if (realtime === null) throw hostCpusNotConfigured({ place: found.path, example: exampleOfHost(sets) })
  const cpus = runChecks(subject).find(({ id, level }) => id === 'config.cpus' && level === 'fail')
  if (cpus !== undefined)
    throw hostCpusNotThere({ place: found.path, found: cpus.what, todo: cpus.todo ?? 'correct [host]' })
  const { online } = sets
  const switches = configured.switch ?? []
  if (subtractCpuSets(online, unionCpuSets(realtime, switches)).length === 0)
    throw nothingLeft({ place: found.path })
  const named = found.explicit ? configForUnit(found.path) : null
  const launcher = launcherForUnit(root, process.env.QEMU_RT_LAUNCHER)
  const plan = planIsolation({
    realtime,
    switches,
    online,
    launcher: found.explicit && named === null ? null : launcher,
    config: named,
  })
  return {
    // Where systemd does not start this host, nobody would run the unit.
    plan: atBoot || !hasSystemd(root) ? { ...plan, files: [] } : plan,
    hasUnit: plan.files.some(({ path }) => path === ISOLATE_UNIT_FILE),
  }
}

/** @throws {UserError} exit 69 */
function checkHost(root: Root, sysroot: string, { realtime, switches }: IsolationPlan): void {
  const all = formatCpuSet(unionCpuSets(realtime, switches))
  const controllers = `${CGROUPS}/cgroup.controllers`
  const known = readAttribute(root + controllers)?.split(/\s+/) ?? []
  if (!known.includes('cpuset')) throw noCpusets({ path: controllers })
  // The root group has this file since remote partitions work as they do now.
  const isolated = `${CGROUPS}/cpuset.cpus.isolated`
  if (!existsSync(root + isolated)) throw noRemotePartitions({ path: isolated, cpus: all })
  const own = subtractCpuSets(realtime, lentCpus({ root, mountPoint: CGROUPS }))
  if (existsSync(root + RESERVE_PATH)) return
  for (const lease of readLeases(sysroot, 'check').held) {
    const cpus = intersectCpuSets(lease.cpus, own)
    if (cpus.length > 0) throw cpusHaveVm({ cpus: formatCpuSet(cpus), holder: describeHolder(lease) })
  }
}

async function undo(root: Root, dryRun: boolean): Promise<void> {
  const host: Host = { root, access: accessTo(root) }
  const command = 'host isolate'
  const nothing = () => writeAll(1, 'Nothing to put back: host isolate has changed nothing here.\n')
  if (dryRun) {
    const record = readApplyRecord(root, ISOLATE_RECORD_FILE)
    return record === null ? nothing() : tell(root, await lookAtUndo(host, record), true, command)
  }
  const done = await withHostLock(root, async () => {
    const record = readApplyRecord(root, ISOLATE_RECORD_FILE)
    if (record !== null) return undoHost(host, record, ISOLATE_RECORD_FILE)
    discardUnwrittenRecord(root, ISOLATE_RECORD_FILE)
    return null
  })
  if (done === null) return nothing()
  const failure = await forgetUnit(root, ISOLATE_UNIT)
  if (failure !== null) report(`run: systemctl daemon-reload (${failure})`)
  tell(root, done, false, command)
}
