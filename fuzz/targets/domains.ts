import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parsePolicy } from '../../src/config/parse.js'
import { readDomain } from '../../src/libvirt/domain.js'
import { madeArguments } from '../../src/libvirt/made-command.js'
import { nativeXml } from '../../src/libvirt/native/native.js'
import { parseXml } from '../../src/libvirt/xml.js'
import { askOf } from '../../src/plan/ask.js'
import { makePlan } from '../../src/plan/plan.js'
import { readRequest } from '../../src/plan/request.js'
import { formatPlan } from '../../src/report/format.js'
import { ownLine } from '../../src/units/printable.js'
import { cpusOf, FOUR_NICS } from '../../test/plan/make.js'
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

const HOST = {
  pci: FOUR_NICS,
  inventoryWarnings: [],
  cpus: cpusOf('0-7'),
  hugePages: [],
  memoryLockLimit: 'unlimited' as const,
}

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
    const domain = readDomain(xml, 'vm.xml')
    const args = ['run', '--', ...madeArguments(domain)]
    const request = readRequest({ entry: 'qemu-rt', args, env: domain.env, hostArch: 'x64' })
    const { isAsked: _, ...asked } = domain.request
    const ask = askOf(request, POLICY, { asked, record: null })
    const plan = makePlan(request, {
      policy: POLICY,
      host: HOST,
      held: [],
      ask,
      record: null,
    })
    const native = nativeXml(xml, {
      domain,
      policy: POLICY,
      ask,
      plan,
      devices: [],
      notes: [],
      contradictions: [],
    })
    const again = parseXml(native.xml)
    must(!('problem' in again), `the native form is no XML: ${'problem' in again ? again.problem : ''}`)
    return {
      lines: [...plan.warnings.map(({ text }) => text), ...native.remains].map(ownLine),
      // Tabs and the line ends of other systems are a document's own, as what is not seen but may be in a name of XML.
      texts: [
        native.xml.replace(/\r(?=\n)|[\t\u037f-\u1fff\u200c-\u200d\ufdf0-\ufffd]/g, ''),
        formatPlan(plan, 'text'),
        formatPlan(plan, 'json'),
      ],
    }
  },
}
