import type { Bytes } from '../units/bytes.js'
import type { XmlElement } from './xml.js'

/** Shifts of libvirt's units (docs/formatdomain.rst, "Memory Allocation"): `KiB` where nothing is said. */
const SHIFTS: Readonly<Record<string, bigint>> = {
  b: 0n,
  bytes: 0n,
  k: 10n,
  kib: 10n,
  m: 20n,
  mib: 20n,
  g: 30n,
  gib: 30n,
  t: 40n,
  tib: 40n,
}

/** A size in an element's text, or in one of its attributes; 0 when there is none. */
export function sizeIn(element: XmlElement | null, attribute?: string): Bytes {
  const text = attribute === undefined ? element?.text : element?.attributes[attribute]
  const shift = SHIFTS[(element?.attributes.unit ?? 'KiB').toLowerCase()] ?? 10n
  return /^\d{1,20}$/.test(text ?? '') ? BigInt(text ?? 0) << shift : 0n
}
