import { readlinkSync } from 'node:fs'
import { findOptions } from '../argv/command-line.js'
import { checkEmulator } from '../emulator/usable.js'
import { findingText } from '../errors/finding.js'
import { EXIT } from '../errors/user-error.js'
import type { Plan } from '../plan/plan.js'
import { type Invocation, type Request, readRequest } from '../plan/request.js'
import { recordedVcpus } from '../plan/threads/smp.js'
import { type Warning, warning } from '../plan/warning.js'
import { formatVm, PLAN_VARIABLE, type VmRecord } from '../record/vm.js'
import { report, writeAll } from '../report/output.js'
import { formatCpuSet } from '../units/cpu-set.js'
import { isTerminalPath } from '../units/path.js'
import { launchLine } from './line.js'
import { preparePlanner } from './prepare.js'
import { checkPrograms } from './programs.js'
import type { Reserved } from './reserve.js'
import { shellsOwnVariables } from './shell-environment.js'
import { startTuner } from './start-tuner.js'

/**
 * Prints the sh text for a launch.
 * @param args the launcher's basename, then its "$@"
 * @throws {UserError} see `launchText`
 */
export async function launch([entry = '', ...args]: readonly string[]): Promise<void> {
  writeAll(1, await launchText({ entry, args, env: process.env, hostArch: process.arch }))
}

/**
 * Plans a launch.
 * @returns the sh text that the launcher evaluates: it becomes QEMU, or for a dry run or --help calls the planner again
 * @throws {UserError} when the plan cannot be made or the emulator is missing
 */
async function launchText(invocation: Invocation): Promise<string> {
  const request = readRequest(invocation)
  if (request.help) return 'qemu_rt_planner cli run --help'
  if (request.dryRun) return 'qemu_rt_planner report "$qemu_rt_entry" "$@"'
  const launcher = process.ppid
  const { plan, record, leaseFile } = await reservedFor(request, launcher)
  checkEmulator(plan.emulator)
  await warn([...otherHost(request.sysroot), ...plan.warnings])
  const chain = [
    ...(leaseFile === null
      ? []
      : [['flock', '-F', '-w', LOCK_SECONDS, '-E', String(EXIT.unavailable), leaseFile]]),
    ...(plan.affinity === null ? [] : [['taskset', '-c', formatCpuSet(plan.affinity)]]),
  ]
  checkPrograms(chain, invocation.env.PATH)
  if (record?.threads) await startTuner(record, launcher, plan.tunerCpus)
  const inherited = invocation.env[PLAN_VARIABLE] === undefined ? [] : [PLAN_VARIABLE]
  return launchLine({
    chain,
    emulator: plan.emulator,
    words: plan.words,
    positionals: invocation.args.length,
    unset: [...shellsOwnVariables(invocation.env, launcher), ...(record === null ? inherited : [])],
    set: record === null ? {} : { [PLAN_VARIABLE]: formatVm(record) },
  })
}

function otherHost(sysroot: string): Warning[] {
  if (sysroot === '/') return []
  const text = `planned for the host in ${sysroot}, and started on this one; with --dry-run nothing is started`
  return [warning('other-host', text)]
}

/** Says to a person all, and to the log of a service what it should not miss. */
async function warn(warnings: readonly Warning[]): Promise<void> {
  if (warnings.length === 0) return
  const { WARNINGS } = await import('../plan/warnings.js')
  const isPerson = stderrIsTerminal()
  const said = warnings.filter(({ kind }) => isPerson || WARNINGS[kind].reaches === 'log')
  for (const one of said) if (one.kind !== 'unprepared') report(`warning: ${findingText(one)}`)
  // Of the host there is one line, however much it lacks: each start says it again.
  const host = said.flatMap((one) => (one.kind === 'unprepared' ? findingText(one) : []))
  if (host.length > 0) report(`warning: ${host.join('; also ')}`)
}

/** Others hold the lock of a lease for as long as it takes to see whether it is held. */
const LOCK_SECONDS = '5'

/** Plans the launch. What root has recorded for a domain is the domain's already: it takes no lease. */
async function reservedFor(request: Request, launcher: number): Promise<Reserved> {
  const { planner, domain } = await preparePlanner(request)
  const plan = planner([])
  if (domain !== null) return { plan: withoutSaidByHook(plan), record: null, leaseFile: null }
  // Most VMs hold nothing, and do not pay for what keeps records.
  if (describeVm(plan) === null) return { plan, record: null, leaseFile: null }
  const { reserve } = await import('./reserve.js')
  return reserve(request, plan, planner, describeVm, launcher)
}

/**
 * A plan without the warnings that libvirt's hook writes into the domain's log when the VM has started. If it does not start,
 * libvirt's message is to begin with QEMU's own words: of it Nova shows 255 characters.
 */
function withoutSaidByHook(plan: Plan): Plan {
  return { ...plan, warnings: plan.warnings.filter(({ kind }) => kind !== 'unprepared') }
}

/** What is kept of a VM while it runs; null for one of which nothing was planned but its arguments. */
function describeVm(plan: Plan): Partial<VmRecord> | null {
  const { guest, profile, nics, lease, threads, interrupts, line, strict, daemonizes } = plan
  if (profile === null && lease === null) return null
  const has = (option: string) => findOptions(line, option).length > 0
  return {
    guest,
    profile,
    strict,
    nics: nics.map(({ name, address }) => ({ name, address })),
    lease,
    threads,
    ...recordedVcpus(line, threads),
    ...(interrupts.length === 0 ? {} : { interrupts }),
    startsPaused: has('S') || has('incoming'),
    daemonizes,
  }
}

/** As isatty(3) does for its name; loading node:tty takes the planner's executable 3 ms, a sixth of its time. */
function stderrIsTerminal(): boolean {
  try {
    return isTerminalPath(readlinkSync('/proc/self/fd/2'))
  } catch {
    return false
  }
}
