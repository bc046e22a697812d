import { claimDevices } from '../../change/claim.js'
import { findingText } from '../../errors/finding.js'
import { domainWithoutUuid, fewOf, threadsContradict } from '../../errors/libvirt.js'
import type { PciDevice } from '../../host/facts.js'
import { saveInventory } from '../../host/save-inventory.js'
import { openSysroot } from '../../host/sysroot.js'
import type { HeldLease } from '../../plan/leases.js'
import type { Assignment } from '../../plan/nics/assign.js'
import { isOnVfio } from '../../plan/nics/readiness.js'
import { recordedVcpus } from '../../plan/threads/smp.js'
import { readRootsLaunches, readRootsLeases, readUsersHolds } from '../../record/leases/read.js'
import { isTaken } from '../../record/leases/taken.js'
import { withRootsLock, withStartLock } from '../../record/root/lock.js'
import { domainRecordId, removeRootsRecord, writeRootsRecord } from '../../record/root/records.js'
import { NEW_VM, type VmRecord } from '../../record/vm.js'
import { logToSystem } from '../../report/system-log.js'
import { askOfDomain, type DomainAsk, usesWrapper } from '../ask-domain.js'
import { readCputune } from '../cputune.js'
import { checkDevices, unknownToLibvirt, withNodeOf } from '../devices.js'
import { type Domain, type PciHostdev, readDomain } from '../domain.js'
import { findQemuUid, readQemuConf } from '../qemu-conf.js'
import type { HookCall } from './call.js'
import { decide, factsFor } from './decide.js'
import type { HookHost } from './hook-host.js'
import { recordsOf, releaseBeforeStart, releaseDomain, releaseRecords } from './records.js'

/**
 * Before libvirt starts a domain's QEMU: decides what it gets of this host, NICs, CPUs and policies, writes that down as
 * root's record, and gets the NICs ready. For a domain without the wrapper no configuration is read, and nothing is done but to
 * release what an earlier start with it has left.
 * @throws {UserError} what keeps the domain from being started; nothing is changed then
 */
export async function prepare(call: HookCall, host: HookHost): Promise<void> {
  const domain = readDomain(call.xml, 'stdin')
  if (!usesWrapper(domain)) {
    // What a start with the wrapper has left would count for this one at `started`: its refusal, too.
    if (recordsOf(host.sysroot, call).length > 0) await say(await releaseDomain(call, host))
    return
  }
  const id = domainRecordId(domain.uuid)
  if (id === null) throw domainWithoutUuid({ domain: domain.name })
  await withStartLock(host.sysroot, id, () => prepareAlone(call, domain, id, host))
}

async function prepareAlone(call: HookCall, domain: Domain, id: string, host: HookHost): Promise<void> {
  // Of a start that came to no end, too.
  await say(await releaseBeforeStart(call, host))
  const { isAsked: _, ...asked } = domain.request
  const ask = await askOfDomain(domain, host.configDirectory)
  const fresh = { ...NEW_VM, id, asked, guest: { name: call.domain, uuid: domain.uuid } }
  const { record, devices } = decideAndRecord(fresh, domain, ask, claimedBeside(domain, ask, host), host)
  const own = unknownToLibvirt(devices, domain)
  try {
    if (own.length > 0) await getReady(record, own, domain, host)
  } catch (error) {
    await giveUp(record, host)
    throw error
  }
}

async function giveUp({ id }: VmRecord, host: HookHost): Promise<void> {
  await say(await releaseRecords((record) => record.id === id, host))
}

async function say(errors: readonly Error[]): Promise<void> {
  for (const { message } of errors) await logToSystem(message)
}

/**
 * What users' launches say that they hold, read without the records' lock, since users can make it long. What QEMU's own
 * user says may be a guest's word that has broken out; a user that is not there has started no QEMU.
 */
function claimedBeside(domain: Domain, ask: DomainAsk, { sysroot }: HookHost): HeldLease[] {
  if (sysroot !== '/' || !(ask.wantsNics || ask.profile !== null)) return []
  const root = openSysroot(sysroot)
  const qemuUser = findQemuUid(root, domain.user ?? readQemuConf(root).user)
  return readUsersHolds(sysroot, qemuUser === null ? [0] : [0, qemuUser])
}

/** What was decided for a domain, and the NICs that it gets. */
interface Recorded {
  readonly record: VmRecord
  readonly devices: readonly PciDevice[]
}

/**
 * Chooses and writes down, with the records locked: two domains never get the same. A launch of root's by hand does not wait for that
 * lock: it looks at the records when it has written its lease, and here the leases are looked at when the record is written, so
 * that one of the two sees the other.
 */
function decideAndRecord(
  fresh: VmRecord,
  domain: Domain,
  ask: DomainAsk,
  claimed: readonly HeldLease[],
  host: HookHost,
): Recorded {
  return withRootsLock(host.sysroot, () => {
    for (;;) {
      const recorded = decideOnce(fresh, domain, ask, claimed, host)
      const { lease } = recorded.record
      const launches = readRootsLaunches(host.sysroot)
      if (lease === null || !isTaken(host.sysroot, lease, launches)) return recorded
    }
  })
}

function decideOnce(
  fresh: VmRecord,
  domain: Domain,
  ask: DomainAsk,
  claimed: readonly HeldLease[],
  { sysroot }: HookHost,
): Recorded {
  // One that cannot be read, too, which would refuse every start. And that of the choice before.
  removeRootsRecord(sysroot, fresh)
  const host = factsFor(ask, sysroot)
  const cputune = readCputune(domain.root)
  const { line, nics, threads, contradictions, unprepared, beside, interrupts } = decide(
    ask,
    cputune,
    host,
    sysroot,
    readRootsLeases(sysroot),
    claimed,
    (chosen) => keptHostdevs(domain, chosen),
  )
  const unsettled = contradictions.flatMap(({ text, isSettled }) => (isSettled ? [] : [text]))
  if (ask.profile?.settings.strict && unsettled.length > 0) {
    const { name: profile } = ask.profile
    throw threadsContradict({ guest: fresh.guest.name ?? '', profile, texts: unsettled })
  }
  const notices = [
    ...(unsettled.length === 0 ? [] : [`${fewOf(unsettled)}; the hook sets its threads as the profile says`]),
    ...(unprepared.length === 0 ? [] : [unprepared.map(findingText).join('; also ')]),
    ...beside,
  ]
  const devices = nics.map(({ device, opening }) => withNodeOf(device, opening.by))
  const kept = keptHostdevs(domain, nics)
  // Once bound to vfio-pci they have no MAC and no interface name to be found by.
  if (devices.some((device) => !isOnVfio(device))) saveInventory(sysroot, host.pci)
  const record: VmRecord = {
    ...fresh,
    profile: ask.profile?.name ?? null,
    strict: ask.profile?.settings.strict ?? false,
    nics: nics.map(({ request: { name }, device: { address } }) => ({ name, address })),
    lease: {
      nics: [...new Set([...devices, ...kept].map(({ address }) => address))],
      cpus: threads?.leased ?? [],
    },
    threads: threads?.threads ?? null,
    ...recordedVcpus(line, threads?.threads ?? null),
    ...(interrupts.length === 0 ? {} : { interrupts }),
    startsPaused: true,
    ...(notices.length === 0 ? {} : { notices }),
  }
  writeRootsRecord(sysroot, record)
  return { record, devices }
}

/**
 * Devices that libvirt gives to the domain by `<hostdev>` and whose place no NIC takes: no other VM can open them. What the
 * domain's owner names in `<qemu:arg>` is nobody's for that.
 */
function keptHostdevs({ hostdevs }: Domain, nics: readonly Assignment[]): readonly PciHostdev[] {
  const replaced = nics.flatMap(({ request }) => ('device' in request ? [request.device.id] : []))
  return hostdevs.filter(({ id }) => !replaced.includes(id))
}

async function getReady(
  record: VmRecord,
  devices: readonly PciDevice[],
  domain: Domain,
  { sysroot, write }: HookHost,
): Promise<void> {
  const root = openSysroot(sysroot)
  const uid = checkDevices(devices, domain, root)
  await claimDevices(root, devices, uid, write, (undo) => writeRootsRecord(sysroot, { ...record, undo }))
}
