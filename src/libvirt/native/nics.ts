import type { Policy } from '../../config/policy.js'
import type { DomainSettings } from '../../plan/pass.js'
import type { Plan } from '../../plan/plan.js'
import type { PciAddress } from '../../units/pci-address.js'
import type { Domain } from '../domain.js'
import { REQUEST_NAMESPACE } from '../metadata.js'
import { childOf, type XmlElement } from '../xml.js'
import { insert, remove, setAttributes, type TextEdit, type WantedElement } from './splice.js'
import type { Translation } from './threads.js'
import type { WrapperArgument } from './wrapper-arguments.js'

/**
 * Says to libvirt which PCI devices a domain has, by the addresses that its named NICs have on this host today. What libvirt
 * is told the wrapper need not be asked for any more.
 */
export function nicEdits(
  source: string,
  domain: Domain,
  { plan, policy, settings, words }: NicFacts,
): Translation & { readonly requests: readonly TextEdit[] } {
  const devices = childOf(domain.root, 'devices')
  const isPool = (name: string) => policy.nics[name]?.pool === true
  const there = new Set(domain.hostdevs.map(({ address }) => address))
  const edits: TextEdit[] = []
  const added: PciAddress[] = []
  const replaced = settings?.nics != null && 'replace' in settings.nics ? settings.nics.replace : {}
  const known = plan.nics.filter(({ name }) => !isPool(name))
  for (const { name, address, device } of known) {
    const hostdev = domain.hostdevs.find(({ id }) => id === device && replaced[id] === name)
    if (hostdev !== undefined)
      edits.push(...setAttributes(source, hostdev.addressElement, addressOf(address)))
    else if (!there.has(address) && !isSpecialNic(words, name)) added.push(address)
  }
  if (devices !== null && added.length > 0) edits.push(insert(source, devices, added.map(hostdevAt)))
  const said = words.filter(({ nics, isSpecial }) => nics.length > 0 && !isSpecial && !nics.some(isPool))
  return {
    edits,
    // Told to libvirt, so no longer to the wrapper.
    requests: [
      ...said.flatMap(({ elements }) => elements.map((element) => remove(source, element))),
      ...requestedNics(domain)
        .filter(({ attributes }) => !isPool(attributes.name ?? ''))
        .map((element) => remove(source, element)),
    ],
    remains: [
      ...plan.nics
        .filter(({ name }) => isPool(name))
        .map(({ name }) => `NIC '${name}' is a pool: which device it is is chosen at launch`),
      ...words
        .filter(({ isSpecial }) => isSpecial)
        .map(() => 'a NIC with properties of its device, which libvirt has no words for'),
    ],
  }
}

export interface NicFacts {
  readonly plan: Plan
  readonly policy: Policy
  readonly settings: DomainSettings | null
  /** What the domain says to the wrapper in `<qemu:commandline>`. */
  readonly words: readonly WrapperArgument[]
}

/** Whether the only one to ask for a NIC says more of its device. */
function isSpecialNic(words: readonly WrapperArgument[], name: string): boolean {
  return words.some(
    ({ isSpecial, elements }) =>
      isSpecial && elements.some(({ attributes }) => mentions(attributes.value, name)),
  )
}

function mentions(value: string | undefined, name: string): boolean {
  return value !== undefined && (value.includes(`nic:${name}`) || value.split(/[=,\s]/).includes(name))
}

/** `<nic>` of the domain's `<request>`. */
function requestedNics({ root }: Domain): readonly XmlElement[] {
  return childOf(childOf(root, 'metadata'), 'request', REQUEST_NAMESPACE)?.children ?? []
}

function hostdevAt(address: PciAddress): WantedElement {
  const source = {
    name: 'source',
    attributes: {},
    children: [{ name: 'address', attributes: addressOf(address) }],
  }
  return {
    name: 'hostdev',
    attributes: { mode: 'subsystem', type: 'pci', managed: 'yes' },
    children: [source],
  }
}

function addressOf(address: PciAddress): Record<string, string> {
  const [, domain = '', bus = '', slot = '', fn = ''] = /^(.+):(.+):(.+)\.(.+)$/.exec(address) ?? []
  return { domain: `0x${domain}`, bus: `0x${bus}`, slot: `0x${slot}`, function: `0x${fn}` }
}
