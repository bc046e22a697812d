import t from 'tap'
import { readMetadata } from '../../src/libvirt/metadata.js'
import type { XmlElement } from '../../src/libvirt/xml.js'
import { failureOf, within } from './within.js'

const NOTHING = { namespace: null, attributes: {}, children: [], text: '', start: 0, end: 0 }

/** A domain with so many `<nic>`, each in place of a device; `reads` counts how often one's name is read. */
function domainWith(count: number) {
  const seen = { reads: 0 }
  const nic = (_: unknown, at: number): XmlElement => ({
    ...NOTHING,
    name: 'nic',
    attributes: {
      device: `hostdev${at}`,
      get name() {
        seen.reads++
        return 'line'
      },
    },
  })
  const children = Array.from({ length: count }, nic)
  const request = { ...NOTHING, name: 'request', namespace: 'urn:qemu-rt:request', children }
  const metadata = { ...NOTHING, name: 'metadata', children: [request] }
  return { domain: { ...NOTHING, name: 'domain', children: [metadata] }, seen }
}

t.test('metadata asks for 256 NICs at most; more are not read', async (t) => {
  const refused =
    "the <request> in <metadata> is not understood: more than 256 <nic>; mend it with 'virsh metadata' or 'virsh edit' (exit 65)"
  t.equal(
    failureOf(() => readMetadata(domainWith(256).domain)),
    'no failure',
  )
  t.equal(
    failureOf(() => readMetadata(domainWith(257).domain)),
    refused,
  )
  const { domain, seen } = domainWith(190_000)
  t.equal(
    within(t, 100, 'as many as a document may have', () => failureOf(() => readMetadata(domain))),
    refused,
  )
  t.equal(seen.reads, 0)
})
