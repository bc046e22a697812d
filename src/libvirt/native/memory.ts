import type { Profile } from '../../config/policy.js'
import type { Plan } from '../../plan/plan.js'
import { type Bytes, parseBytes } from '../../units/bytes.js'
import type { Domain } from '../domain.js'
import { sizeIn } from '../size.js'
import { childOf, childrenOf } from '../xml.js'
import { ensureChild, setAttributes, type TextEdit, type WantedElement } from './splice.js'

/**
 * Says to libvirt how guest RAM is backed: shared when the plan shares it, huge pages and locked as the profile asks
 * (libvirt docs/formatdomain.rst, "Memory Backing").
 */
export function memoryEdits(
  source: string,
  { root }: Domain,
  plan: Plan,
  profile: Profile | null,
): TextEdit[] {
  const backing = childOf(root, 'memoryBacking')
  const isShared = plan.changes.some(({ pass }) => pass === 'shared-memory')
  const hugepages = profile?.hugepages == null ? null : parseBytes(profile.hugepages)
  const type = childOf(backing, 'source')?.attributes.type ?? 'anonymous'
  const memfd = isShared || hugepages !== null ? type === 'anonymous' : false
  const wanted: WantedElement[] = [
    ...(hugepages === null || hasPages(root, hugepages) ? [] : [pages(hugepages)]),
    ...(profile?.lockMemory === true ? [{ name: 'locked', attributes: {} }] : []),
    ...(memfd ? [{ name: 'source', attributes: { type: 'memfd' } }] : []),
    ...(isShared ? [{ name: 'access', attributes: { mode: 'shared' } }] : []),
  ]
  const cells = childrenOf(childOf(childOf(root, 'cpu'), 'numa'), 'cell')
  const privateCells = cells.filter(({ attributes }) => isShared && attributes.memAccess === 'private')
  return [
    ...ensureChild(source, root, 'memoryBacking', wanted),
    ...privateCells.flatMap((cell) => setAttributes(source, cell, { memAccess: 'shared' })),
  ]
}

function pages(size: Bytes): WantedElement {
  const page = { name: 'page', attributes: { size: String(size / 1024n), unit: 'KiB' } }
  return { name: 'hugepages', attributes: {}, children: [page] }
}

/** Whether the domain has pages of that size already, in whatever unit. */
function hasPages(root: Domain['root'], size: Bytes): boolean {
  const there = childrenOf(childOf(childOf(root, 'memoryBacking'), 'hugepages'), 'page')
  return there.some((page) => sizeIn(page, 'size') === size)
}
