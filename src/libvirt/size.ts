import type { Bytes } from '../units/bytes.js'
import type { XmlElement } from './xml.js'

/** Bytes of libvirt's units (docs/formatdomain.rst, "Memory Allocation"; src/util/virutil.c, virScaleInteger). */
const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['b', 1n],
  ['bytes', 1n],
  ...[...'kmgtpe'].flatMap((prefix, index): [string, bigint][] => {
    const power = BigInt(index + 1)
    return [
      [prefix, 1024n ** power],
      [`${prefix}ib`, 1024n ** power],
      [`${prefix}b`, 1000n ** power],
    ]
  }),
])

/** libvirt counts memory in these, rounded up (src/conf/domain_conf.c, virDomainParseMemory). */
const KIB = 1024n

/** A size in an element's text, or in one of its attributes, KiB where no unit is said; 0 when there is none. */
export function sizeIn(element: XmlElement | null, attribute?: string): Bytes {
  const text = attribute === undefined ? element?.text : element?.attributes[attribute]
  const unit = UNITS.get((element?.attributes.unit ?? 'KiB').toLowerCase()) ?? KIB
  const bytes = /^\d{1,20}$/.test(text ?? '') ? BigInt(text ?? 0) * unit : 0n
  return ((bytes + KIB - 1n) / KIB) * KIB
}
