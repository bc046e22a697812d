import { parsePolicy } from '../../src/config/parse.js'
import type { Policy } from '../../src/config/policy.js'
import { EMPTY_HOST, type HostFacts } from '../../src/host/facts.js'
import { readCputune } from '../../src/libvirt/cputune.js'
import { readDomain } from '../../src/libvirt/domain.js'
import { madeArguments } from '../../src/libvirt/made-command.js'
import { type NativeDomain, nativeXml } from '../../src/libvirt/native/native.js'
import type { PlannedDomain } from '../../src/libvirt/plan-domain.js'
import { askOf } from '../../src/plan/ask.js'
import { makePlan } from '../../src/plan/plan.js'
import { readRequest } from '../../src/plan/request.js'
import type { ThreadPlan } from '../../src/plan/threads/thread-plan.js'
import { cpusOf, FOUR_NICS } from '../plan/make.js'

export const CONFIG = `
[host]
housekeeping = "0-1"
realtime = "4-7"
[nic.fieldbus0]
mac = "a0:36:9f:00:00:02"
[nic.line]
id = "8086:1521"
pool = true
[profile.rt]
vcpus = { cpus = "4-7", policy = "fifo", priority = 2, realtime-mask = "^0" }
emulator = { cpus = "housekeeping" }
[profile.memory]
hugepages = "1G"
lock-memory = true
[profile.auto]
vcpus = { cpus = "auto", policy = "fifo" }
emulator = { cpus = "housekeeping" }
workers = { cpus = "0" }
`

/** Translates with a command line made here and a host made up. */
export function native(xml: string, config = CONFIG): NativeDomain {
  return nativeXml(xml, plannedDomain(xml, parsePolicy(config, 'q.toml')))
}

/** What is planned for its threads. */
export function plannedThreads(xml: string, config: string): ThreadPlan | null {
  return plannedDomain(xml, parsePolicy(config, 'q.toml')).plan.threads
}

/** What `domain native` is made from, with a command line made here and a host made up. */
export function plannedDomain(xml: string, policy: Policy): PlannedDomain {
  const domain = readDomain(xml, 'd.xml')
  const args = ['run', '--', ...madeArguments(domain)]
  const request = readRequest({ entry: 'qemu-rt', args, env: domain.env, hostArch: 'x64' })
  const host: HostFacts = {
    ...EMPTY_HOST,
    pci: FOUR_NICS,
    cpus: cpusOf('0-7'),
    hugePages: [{ size: 2n ** 30n, free: 8, surplus: 0, freeByNode: {} }],
    memoryLockLimit: 'unlimited',
  }
  const { isAsked: _, ...asked } = domain.request
  const ask = askOf(request, policy, { asked, record: null })
  const plan = makePlan(request, {
    policy,
    host,
    held: [],
    ask,
    record: null,
    emulatorPin: readCputune(domain.root).emulatorPin?.cpus,
  })
  return { domain, policy, ask, plan, devices: [], notes: [], contradictions: [] }
}
