import type { Profile } from '../../config/policy.js'
import type { Plan } from '../../plan/plan.js'
import { type Bytes, parseBytes } from '../../units/bytes.js'
import type { Domain } from '../domain.js'
import { childOf, childrenOf } from '../xml.js'
import { ensureChild, setAttributes, type TextEdit, type WantedElement } from './splice.js'

/** Models of `<memory>` that are guest RAM. A module of persistent memory is as private as its owner says. */
const RAM_MODELS = ['dimm', 'virtio-mem']

/**
 * Says to libvirt how guest RAM is backed: shared when the plan shares it, huge pages and locked as the profile asks
 * (libvirt docs/formatdomain.rst, "Memory Backing", "Memory devices"). A domain that has chosen huge pages keeps its own, as the plan
 * does.
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
    ...(hugepages === null || childOf(backing, 'hugepages') !== null ? [] : [pages(hugepages)]),
    ...(profile?.lockMemory === true ? [{ name: 'locked', attributes: {} }] : []),
    ...(memfd ? [{ name: 'source', attributes: { type: 'memfd' } }] : []),
    ...(isShared ? [{ name: 'access', attributes: { mode: 'shared' } }] : []),
  ]
  const cells = childrenOf(childOf(childOf(root, 'cpu'), 'numa'), 'cell')
  const privateCells = cells.filter(({ attributes }) => isShared && attributes.memAccess === 'private')
  const modules = childrenOf(childOf(root, 'devices'), 'memory')
  const privateModules = modules.filter(
    ({ attributes: { access, model = '' } }) =>
      isShared && access === 'private' && RAM_MODELS.includes(model),
  )
  return [
    ...ensureChild(source, root, 'memoryBacking', wanted),
    ...privateCells.flatMap((cell) => setAttributes(source, cell, { memAccess: 'shared' })),
    ...privateModules.flatMap((module) => setAttributes(source, module, { access: 'shared' })),
  ]
}

function pages(size: Bytes): WantedElement {
  const page = { name: 'page', attributes: { size: String(size / 1024n), unit: 'KiB' } }
  return { name: 'hugepages', attributes: {}, children: [page] }
}
