import { claimDevices } from '../../change/claim.js'
import { usedByHost } from '../../change/obstacle.js'
import { loadPolicy } from '../../config/load.js'
import { isWrapper } from '../../emulator/wrapper.js'
import { domainWithoutUuid, notOurEmulator } from '../../errors/libvirt.js'
import type { PciDevice } from '../../host/facts.js'
import { readHostFacts } from '../../host/read.js'
import { saveInventory } from '../../host/save-inventory.js'
import { openSysroot } from '../../host/sysroot.js'
import { chooseProfile, matchDomain } from '../../plan/domain.js'
import { isVfioDriver, obstacleToBinding } from '../../plan/nics/readiness.js'
import { asksForNics } from '../../plan/nics/requests.js'
import { type AssignmentInput, assignRequested } from '../../plan/passes/nic-assignment.js'
import type { HookRequest } from '../../record/hook-request.js'
import { writeHookRequest } from '../../record/hook-requests.js'
import { ensureLeaseDirectory } from '../../record/leases/directory.js'
import { withLock } from '../../record/leases/lock.js'
import { readLeases } from '../../record/leases/read.js'
import type { Domain } from '../domain.js'
import { qemuUid, readQemuConf } from '../qemu-conf.js'
import { requestOf } from './domain-request.js'
import type { HookHost } from './hook-host.js'
import { release } from './release.js'
import { checkVisible } from './visible.js'

/**
 * Before libvirt starts a domain's QEMU: finds the NICs that the domain asks for, gets them ready, and leaves the request
 * for the wrapper. For a domain without the wrapper nothing is done, and no configuration is read.
 * @throws {UserError} what keeps the domain from being started; nothing is changed then
 */
export async function prepare(domain: Domain, host: HookHost): Promise<void> {
  const { emulator, uuid } = domain
  if (emulator === null || !isWrapper(emulator)) {
    if (domain.request.isAsked) throw notOurEmulator({ domain: domain.name, emulator })
    return
  }
  if (uuid === null) throw domainWithoutUuid({ domain: domain.name })
  // Of a start that came to no end.
  release(uuid, host)
  // libvirt's unprivileged QEMU may not make it.
  const { shared } = ensureLeaseDirectory(host.sysroot)
  const { profile, nics, flavor, instance } = domain.request
  const hook: HookRequest = {
    uuid,
    guest: domain.name,
    profile,
    nics,
    flavor,
    instance,
    assigned: [],
    taken: [],
  }
  const wishes = await wishesOf(domain, emulator, hook)
  // A VM that is planned on a captured host takes nothing from this one.
  if (wishes === null) return writeHookRequest(host.sysroot, hook)
  await assignAndClaim(domain, hook, wishes, shared, host)
}

type Wishes = Omit<AssignmentInput, 'host' | 'held' | 'assigned'>

/** What the domain wants of NICs; null when that is nothing. A name that nobody knows is told here already. */
async function wishesOf(domain: Domain, emulator: string, hook: HookRequest): Promise<Wishes | null> {
  const request = requestOf(domain, emulator)
  const { path, explicit } = request.config
  const policy = await loadPolicy({ path, explicit, emulatorMode: true })
  const settings = matchDomain(policy, request.guest, hook)
  chooseProfile(policy, request.profile, settings)
  const isThisHost = request.sysroot === '/'
  const asks = asksForNics(request.line, { nics: request.nics, domain: settings?.nics ?? null })
  return asks && isThisHost ? { line: request.line, policy, domain: settings, nics: request.nics } : null
}

async function assignAndClaim(
  domain: Domain,
  hook: HookRequest,
  wishes: Wishes,
  leases: string,
  { sysroot, write }: HookHost,
): Promise<void> {
  const root = openSysroot(sysroot)
  const obstacleOf = (device: PciDevice, pci: readonly PciDevice[]) =>
    usedByHost(root, device) ?? obstacleToBinding(device, pci)
  const assigned = withLock(leases, () => {
    const host = readHostFacts(sysroot, { pci: true })
    const { held } = readLeases(sysroot, sysroot === '/' ? 'check' : 'assume')
    const assignments = assignRequested({ ...wishes, host, held, assigned: [] }, obstacleOf)
    const nics = assignments.map(({ request, device }) => ({ name: request.name, device }))
    // Once bound to vfio-pci they have no MAC and no interface name to be found by.
    if (nics.some(({ device }) => !isVfioDriver(device.driver))) saveInventory(sysroot, host.pci)
    writeHookRequest(sysroot, {
      ...hook,
      assigned: nics.map(({ name, device: { address } }) => ({ name, address })),
    })
    return nics
  })
  const named = { ...hook, assigned: assigned.map(({ name, device }) => ({ name, address: device.address })) }
  const devices = assigned.map(({ device }) => device).filter((device) => !isLibvirts(device, domain))
  try {
    const conf = readQemuConf(root)
    checkVisible([...new Set(devices.flatMap(({ vfioNode }) => vfioNode?.path ?? []))], conf)
    const uid = qemuUid(root, domain.user ?? conf.user)
    await claimDevices(root, devices, uid, write, (taken) => writeHookRequest(sysroot, { ...named, taken }))
  } catch (error) {
    release(hook.uuid, { sysroot, write })
    throw error
  }
}

/** Whether libvirt gets a device ready itself. */
function isLibvirts({ address }: PciDevice, { hostdevs }: Domain): boolean {
  return hostdevs.some((hostdev) => hostdev.address === address)
}
