import { claimDevices } from '../../change/claim.js'
import { isWrapper } from '../../emulator/wrapper.js'
import { domainWithoutUuid, notOurEmulator } from '../../errors/libvirt.js'
import type { PciDevice } from '../../host/facts.js'
import { saveInventory } from '../../host/save-inventory.js'
import { openSysroot } from '../../host/sysroot.js'
import { isVfioDriver } from '../../plan/nics/readiness.js'
import { countVcpus } from '../../plan/threads/smp.js'
import { readRootsLeases, readUsersHolds } from '../../record/leases/read.js'
import { withRootsLock } from '../../record/root/lock.js'
import { domainRecordId, removeRootsRecord, writeRootsRecord } from '../../record/root/records.js'
import { NEW_VM, type VmRecord } from '../../record/vm.js'
import { logToSystem } from '../../report/system-log.js'
import { type Domain, readDomain } from '../domain.js'
import { qemuUid, readQemuConf } from '../qemu-conf.js'
import type { HookCall } from './call.js'
import { askOfDomain, type DomainAsk, decide, factsFor } from './decide.js'
import type { HookHost } from './hook-host.js'
import { releaseDomain, releaseRecords } from './records.js'
import { checkVisible } from './visible.js'

/**
 * Before libvirt starts a domain's QEMU: decides what it gets of this host, NICs, CPUs and policies, writes that down as
 * root's record, and gets the NICs ready. For a domain without the wrapper nothing is done, and no configuration is read.
 * @throws {UserError} what keeps the domain from being started; nothing is changed then
 */
export async function prepare(call: HookCall, host: HookHost): Promise<void> {
  const domain = readDomain(call.xml, 'stdin')
  const { emulator, uuid, name } = domain
  if (emulator === null || !isWrapper(emulator)) {
    if (domain.request.isAsked) throw notOurEmulator({ domain: name, emulator })
    return
  }
  const id = domainRecordId(uuid)
  if (id === null) throw domainWithoutUuid({ domain: name })
  // Of a start that came to no end, too.
  await say(releaseDomain(call, host))
  const { isAsked: _, ...asked } = domain.request
  const ask = await askOfDomain(domain, emulator, asked, host.configDirectory)
  const uid = userOf(domain, host)
  const { record, devices } = decideAndRecord(
    { ...NEW_VM, id, asked, guest: { name: call.domain, uuid } },
    ask,
    uid,
    host,
  )
  const own = devices.filter((device) => !isLibvirts(device, domain))
  try {
    await getReady(record, own, uid, host)
  } catch (error) {
    await giveUp(record, host)
    throw error
  }
}

async function giveUp({ id }: VmRecord, host: HookHost): Promise<void> {
  await say(releaseRecords((record) => record.id === id, host))
}

async function say(errors: readonly Error[]): Promise<void> {
  for (const { message } of errors) await logToSystem(message)
}

/** Chooses and writes down, with the records locked: two domains never get the same. */
function decideAndRecord(
  fresh: VmRecord,
  ask: DomainAsk,
  qemuUser: number,
  { sysroot }: HookHost,
): { readonly record: VmRecord; readonly devices: readonly PciDevice[] } {
  // What QEMU's own user says may be a guest's word that has broken out. Without the lock: users can make it long.
  const claims = ask.wantsNics || ask.profile !== null
  const claimed = sysroot === '/' && claims ? readUsersHolds(sysroot, [0, qemuUser]) : []
  return withRootsLock(sysroot, () => {
    // One that cannot be read, too, which would refuse every start.
    removeRootsRecord(sysroot, fresh)
    const host = factsFor(ask, sysroot)
    const { nics, threads } = decide(ask, host, sysroot, readRootsLeases(sysroot), claimed)
    const devices = nics.map(({ device }) => device)
    // Once bound to vfio-pci they have no MAC and no interface name to be found by.
    if (devices.some(({ driver }) => !isVfioDriver(driver))) saveInventory(sysroot, host.pci)
    const record: VmRecord = {
      ...fresh,
      profile: ask.profile?.name ?? null,
      strict: ask.profile?.settings.strict ?? false,
      nics: nics.map(({ request: { name }, device: { address } }) => ({ name, address })),
      lease: { nics: devices.map(({ address }) => address), cpus: threads?.leased ?? [] },
      threads: threads?.threads ?? null,
      vcpusAtStart: countVcpus(ask.request.line).present,
      startsPaused: true,
    }
    writeRootsRecord(sysroot, record)
    return { record, devices }
  })
}

async function getReady(
  record: VmRecord,
  devices: readonly PciDevice[],
  uid: number,
  { sysroot, write }: HookHost,
): Promise<void> {
  const root = openSysroot(sysroot)
  checkVisible([...new Set(devices.flatMap(({ vfioNode }) => vfioNode?.path ?? []))], readQemuConf(root))
  await claimDevices(root, devices, uid, write, (undo) => writeRootsRecord(sysroot, { ...record, undo }))
}

function userOf({ user }: Domain, { sysroot }: HookHost): number {
  const root = openSysroot(sysroot)
  return qemuUid(root, user ?? readQemuConf(root).user)
}

/** Whether libvirt gets a device ready itself. */
function isLibvirts({ address }: PciDevice, { hostdevs }: Domain): boolean {
  return hostdevs.some((hostdev) => hostdev.address === address)
}
