import { parseProperties } from '../../src/argv/properties.js'
import { MalformedReadConfig, parseReadConfig } from '../../src/argv/read-config.js'
import { EMPTY_POLICY } from '../../src/config/load.js'
import { findingText } from '../../src/errors/finding.js'
import { EMPTY_HOST } from '../../src/host/facts.js'
import { askOf } from '../../src/plan/ask.js'
import { makePlan } from '../../src/plan/plan.js'
import { readRequest } from '../../src/plan/request.js'
import { withRequestFiles } from '../../src/plan/request-files.js'
import { formatPlan } from '../../src/report/format.js'
import { ownLine } from '../../src/units/printable.js'
import { caseTexts } from '../common/corpus.js'
import { mutate } from '../common/mutate.js'
import { must, type Target } from '../common/target.js'

const TEXTS = [
  ...['vm.cfg', 'qemu.conf', 'q35-bridges.cfg'].flatMap(caseTexts),
  '[object "m"]\n  qom-type = "memory-backend-memfd"\n  size = "64M"\n  share = "off"\n[numa]\n  type = "node"\n  memdev = "m"\n',
  '[device "h0"]\r\n\tdriver = "vfio-pci"\r\n\thost = "0000:03:00.1"\r\n[net]\n type = "vhost-user"\n',
]

const ARGS = ['-name', 'vm', '-readconfig', 'vm.cfg', '-set', 'device.net0.mq=on']

/** `-readconfig` files: what a section says is what its argument says, and a plan of a plan's own output changes nothing. */
export const readConfigs: Target = {
  name: 'read-configs',
  title: '-readconfig files, parsed and planned',
  make: (random) => [mutate(random, random.pick(TEXTS), TEXTS)],
  take([text = '']) {
    checkSections(text)
    const files = [{ path: 'vm.cfg', text }]
    const plan = (args: readonly string[]) => {
      const words = readRequest({ entry: 'qemu-rt', args: ['run', '--', ...args], env: {}, hostArch: 'x64' })
      const request = withRequestFiles(words, files)
      const ask = askOf(request, EMPTY_POLICY, { asked: null, record: null })
      return makePlan(request, { policy: EMPTY_POLICY, host: EMPTY_HOST, held: [], ask, record: null })
    }
    const made = plan(ARGS)
    const words = made.words.map((word) => word.text)
    must(
      ARGS.slice(2).every((word) => words.includes(word)),
      'an option is lost',
    )
    const again = plan(words)
    must(
      again.changes.length === 0,
      `a plan of its own output changes it: ${JSON.stringify(again.changes[0])}`,
    )
    return {
      lines: made.warnings.map((one) => ownLine(`warning: ${findingText(one)}`)),
      texts: [formatPlan(made, 'text')],
    }
  },
}

function checkSections(text: string): void {
  try {
    for (const { argument, id } of parseReadConfig(text)) {
      const properties = parseProperties(argument, {})
      must(
        properties.text === argument && (properties.get('id') ?? null) === id,
        'a section is not written as it was read',
      )
    }
  } catch (error) {
    if (!(error instanceof MalformedReadConfig)) throw error
  }
}
