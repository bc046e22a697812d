import { escapeCommas } from '../argv/keyval.js'
import { vhostUserElements } from './shared-memory.js'
import { childOf, childrenOf, type XmlElement } from './xml.js'

/** The arguments of a domain's vhost-user devices, by the names that libvirt gives (src/qemu/qemu_alias.c). */
export function vhostUserDevices(root: XmlElement): string[] {
  const interfaces = vhostUserInterfaces(root).flatMap(({ index, args }) => [
    ...args,
    ...[
      '-device',
      JSON.stringify({ driver: 'virtio-net-pci', netdev: `hostnet${index}`, id: `net${index}` }),
    ],
  ])
  const others = vhostUserElements(root).filter(({ kind }) => kind.device !== null)
  return [
    ...interfaces,
    ...others.flatMap(({ kind: { device }, element }, index) => [
      ...socket(`chr-vu-${index}`, element),
      ...['-device', JSON.stringify({ driver: device, chardev: `chr-vu-${index}`, id: `vu-${index}` })],
    ]),
  ]
}

/**
 * The command line with the domain's vhost-user interfaces: `virsh domxml-to-native` writes a tap in place of every
 * interface (src/qemu/qemu_driver.c, qemuConnectDomainXMLToNative; seen with 9.0, 11.3 and 12.8).
 * @param args as libvirt printed them
 */
export function withVhostUserInterfaces(args: readonly string[], root: XmlElement): string[] {
  const interfaces = vhostUserInterfaces(root)
  const replacing = (netdev = '') => interfaces.find(({ index }) => netdev.includes(`"id":"hostnet${index}"`))
  return args.flatMap((arg, at) => {
    if (arg === '-netdev') return replacing(args[at + 1]) === undefined ? [arg] : []
    if (args[at - 1] === '-netdev') return replacing(arg)?.args ?? [arg]
    return [arg]
  })
}

/** Numbered as libvirt numbers its NICs, among which a `<interface type='hostdev'>` is none. */
function vhostUserInterfaces(
  root: XmlElement,
): { readonly index: number; readonly args: readonly string[] }[] {
  const nics = childrenOf(childOf(root, 'devices'), 'interface').filter(
    ({ attributes }) => attributes.type !== 'hostdev',
  )
  return nics.flatMap((element, index) => {
    if (element.attributes.type !== 'vhostuser') return []
    const queues = Number(childOf(element, 'driver')?.attributes.queues ?? 0)
    const netdev = {
      type: 'vhost-user',
      chardev: `charnet${index}`,
      ...(queues > 0 ? { queues } : {}),
      id: `hostnet${index}`,
    }
    return [{ index, args: [...socket(`charnet${index}`, element), '-netdev', JSON.stringify(netdev)] }]
  })
}

/** `<source path=…>` of an interface or disk, `<source socket=…>` of a file system; libvirt itself makes the others. */
function socket(id: string, element: XmlElement): string[] {
  const { path, socket, mode } = childOf(element, 'source')?.attributes ?? {}
  const server = mode === 'server' ? ',server=on' : ''
  return ['-chardev', `socket,id=${id},path=${escapeCommas(path ?? socket ?? '')}${server}`]
}
