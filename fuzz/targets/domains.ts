import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parsePolicy } from '../../src/config/parse.js'
import { findingText } from '../../src/errors/finding.js'
import { nativeXml } from '../../src/libvirt/native/native.js'
import { parseXml } from '../../src/libvirt/xml.js'
import { formatPlan } from '../../src/report/format.js'
import { ownLine } from '../../src/units/printable.js'
import { plannedDomain } from '../../test/libvirt/native.js'
import { caseTexts, FIXTURES } from '../common/corpus.js'
import { mutate } from '../common/mutate.js'
import { must, type Target } from '../common/target.js'

const TEXTS = [
  ...caseTexts('domain.xml').filter((text) => text.length < 20_000),
  readFileSync(join(FIXTURES, 'domains/plc.xml'), 'utf8'),
]

const POLICY = parsePolicy(
  `
[host]
housekeeping = "0-1"
realtime = "4-7"
[nic.fieldbus0]
mac = "a0:36:9f:00:00:02"
[nic.line]
id = "8086:1521"
pool = true
[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 2, realtime-mask = "^0" }
emulator = { cpus = "housekeeping" }
`,
  'qemu-rt.toml',
)

/** XML of domains, and what is made of them: the pure part of `domain plan` and `domain native`. */
export const domains: Target = {
  name: 'domains',
  title: "domains' XML, their plans and native forms",
  make: (random) => [mutate(random, random.pick(TEXTS), TEXTS)],
  take([xml = '']) {
    const root = parseXml(xml)
    if (!('problem' in root)) {
      must(xml.slice(root.start, root.end).startsWith('<'), 'the root element is elsewhere')
    }
    const planned = plannedDomain(xml, POLICY)
    const native = nativeXml(xml, planned)
    const again = parseXml(native.xml)
    must(!('problem' in again), `the native form is no XML: ${'problem' in again ? again.problem : ''}`)
    return {
      lines: [...planned.plan.warnings.map(findingText), ...native.remains].map(ownLine),
      // Tabs and the line ends of other systems are a document's own, as what is not seen but may be in a name of XML.
      texts: [
        native.xml.replace(/\r(?=\n)|[\t\u037f-\u1fff\u200c-\u200d\ufdf0-\ufffd]/g, ''),
        formatPlan(planned.plan, 'text'),
        formatPlan(planned.plan, 'json'),
      ],
    }
  },
}
