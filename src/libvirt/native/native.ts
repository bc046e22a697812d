import { isWrapper } from '../../emulator/wrapper.js'
import { REQUEST_NAMESPACE } from '../metadata.js'
import type { PlannedDomain } from '../plan-domain.js'
import { childOf } from '../xml.js'
import { writeHidden } from './hidden.js'
import { memoryEdits } from './memory.js'
import { nicEdits } from './nics.js'
import { applyTextEdits, escaped, remove, type TextEdit } from './splice.js'
import { threadEdits } from './threads.js'
import { wrapperArguments } from './wrapper-arguments.js'

/** A domain's XML in which libvirt is told what it can do itself. */
export interface NativeDomain {
  readonly xml: string
  /** What it cannot be told, a line each; when there is nothing, `<emulator>` is QEMU itself. */
  readonly remains: readonly string[]
  /** That QEMU: the domain's own where it names one, and not the wrapper. */
  readonly emulator: string
}

/** Translates a plan into libvirt's words. Everything else in the document stays to the byte, unless a terminal obeys it. */
export function nativeXml(source: string, { domain, policy, ask, plan }: PlannedDomain): NativeDomain {
  const profile = ask.profile?.settings ?? null
  const words = wrapperArguments(domain)
  const threads = threadEdits(source, domain, plan, profile)
  const nics = nicEdits(source, domain, { plan, policy, settings: ask.domain, words })
  const rules = plan.changes.filter(({ pass }) => pass === 'rules')
  const remains = [
    ...threads.remains,
    ...nics.remains,
    ...(rules.length === 0 ? [] : [`${rules.length} changes by [[rule]] of ${policy.place([])}`]),
  ]
  const emulator = domain.emulator === null || isWrapper(domain.emulator) ? plan.emulator : domain.emulator
  const without = remains.length === 0 ? withoutWrapper(source, domain, emulator, words) : nics.requests
  const edits = [...memoryEdits(source, domain, plan, profile), ...threads.edits, ...nics.edits, ...without]
  return { xml: writeHidden(applyTextEdits(source, edits)), remains, emulator }
}

/** Takes away whatever is said to the wrapper, and the wrapper. */
function withoutWrapper(
  source: string,
  { root }: PlannedDomain['domain'],
  emulator: string,
  words: ReturnType<typeof wrapperArguments>,
): TextEdit[] {
  const element = childOf(childOf(root, 'devices'), 'emulator')
  const request = childOf(childOf(root, 'metadata'), 'request', REQUEST_NAMESPACE)
  return [
    ...words.flatMap(({ elements }) => elements.map((one) => remove(source, one))),
    ...(request === null ? [] : [remove(source, request)]),
    ...(element === null || element.text === emulator
      ? []
      : [{ start: element.start, end: element.end, text: `<emulator>${escaped(emulator)}</emulator>` }]),
  ]
}
