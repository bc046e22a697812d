import type { DomainPolicy } from '../config/policy.js'
import { badMetadata } from '../errors/libvirt.js'
import { nearest } from '../errors/nearest.js'
import type { DomainRequest } from '../record/vm.js'
import { childOf, type XmlElement } from './xml.js'

/** Namespace of `<request>` in a domain's `<metadata>`, as `virsh metadata --uri` takes it. */
export const REQUEST_NAMESPACE = 'urn:qemu-rt:request'

/** More than a guest has: it has 256 PCI buses, and libvirt puts one passed-through device on each (PCI Express). */
const MOST_NICS = 256

/** Nova's namespaces (nova/virt/libvirt/config.py, NOVA_NS; 1.0 before 2020). */
const NOVA_NAMESPACES = [
  'http://openstack.org/xmlns/libvirt/nova/1.1',
  'http://openstack.org/xmlns/libvirt/nova/1.0',
]

/**
 * Reads what a domain asks for in its `<metadata>`:
 *
 *     <qemu-rt:request xmlns:qemu-rt="urn:qemu-rt:request" profile="rt">
 *       <nic name="fieldbus0"/>                       to add; with device="hostdev0" in that device's place
 *     </qemu-rt:request>
 *
 * of which there may be 256, and the names that Nova puts there. The children may be in the namespace or in none: `virsh metadata --set` puts the
 * outermost element alone into it.
 * @returns `isAsked` tells whether there is a `<request>`
 * @throws {UserError} exit 65 for what is not understood in `<request>`
 */
export function readMetadata(domain: XmlElement): DomainRequest & { readonly isAsked: boolean } {
  const metadata = childOf(domain, 'metadata')
  const request = childOf(metadata, 'request', REQUEST_NAMESPACE)
  const nova = NOVA_NAMESPACES.map((namespace) => ({
    namespace,
    instance: childOf(metadata, 'instance', namespace),
  })).find(({ instance }) => instance !== null)
  const novaChild = (name: string) =>
    nova === undefined ? null : childOf(nova.instance, name, nova.namespace)
  if (request !== null) checkAttributes(request, ['profile'])
  return {
    isAsked: request !== null,
    profile: request?.attributes.profile || null,
    nics: request === null ? null : nicsOf(request),
    flavor: novaChild('flavor')?.attributes.name ?? null,
    instance: novaChild('name')?.text || null,
  }
}

function nicsOf(request: XmlElement): DomainPolicy['nics'] {
  if (request.children.length > MOST_NICS) throw badMetadata({ problem: `more than ${MOST_NICS} <nic>` })
  const nics = request.children.map(readNic)
  if (nics.length === 0) return null
  const replaced = nics.flatMap(({ name, device }): [string, string][] =>
    device === null ? [] : [[device, name]],
  )
  if (replaced.length === 0) return { add: nics.map(({ name }) => name) }
  if (replaced.length === nics.length) {
    const seen = new Set<string>()
    for (const [device] of replaced) {
      if (seen.has(device)) throw badMetadata({ problem: `two <nic> for device '${device}'` })
      seen.add(device)
    }
    return { replace: Object.fromEntries(replaced) }
  }
  throw badMetadata({ problem: 'some <nic> have a device and some have not; give all of them one, or none' })
}

function readNic(element: XmlElement): { readonly name: string; readonly device: string | null } {
  const { name: tag, namespace, attributes } = element
  if (tag !== 'nic' || (namespace !== null && namespace !== REQUEST_NAMESPACE)) {
    throw badMetadata({ problem: `<${tag}> is not known there; <nic> is` })
  }
  checkAttributes(element, ['name', 'device'])
  if (!attributes.name) throw badMetadata({ problem: '<nic> has no name' })
  return { name: attributes.name, device: attributes.device || null }
}

function checkAttributes({ name, attributes }: XmlElement, known: readonly string[]): void {
  const strange = Object.keys(attributes).find((one) => !known.includes(one) && !/^xmlns(:|$)/.test(one))
  if (strange === undefined) return
  const near = nearest(strange, known)
  const hint = near === null ? `known are ${known.join(', ')}` : `did you mean '${near}'?`
  throw badMetadata({ problem: `<${name}> has an unknown attribute '${strange}'; ${hint}` })
}
