import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  BEGIN,
  checksDocument,
  checksManual,
  END,
  MAN_BEGIN,
  MAN_END,
  withPart,
} from '../../fixtures/make-checks/doc.js'
import { CHECKS } from '../../src/checks/table.js'

const document = readFileSync('docs/host-check.md', 'utf8')
const manual = readFileSync('docs/man/qemu-rt.1', 'utf8')

t.test(
  'docs/host-check.md and the manual are what the table says; npm run host-checks writes them anew',
  async (t) => {
    t.equal(withPart(document, BEGIN, END, checksDocument()), document)
    t.equal(withPart(manual, MAN_BEGIN, MAN_END, checksManual()), manual)
  },
)

t.test('each id is explained in the document, and listed in the manual', async (t) => {
  for (const { id } of CHECKS) {
    t.match(document, new RegExp(`^### ${id.replace('.', '\\.')}$`, 'm'))
    t.match(manual, new RegExp(`^\\.It Cm ${id.replace('.', '\\.')}$`, 'm'))
  }
})

t.test('each check says why it matters and whose word that is', async (t) => {
  for (const { id, why, source, look, fixedBy, fix } of CHECKS) {
    t.match(why, /\.$/, `${id}: why is a sentence`)
    t.not(source, '', `${id}: source`)
    t.match(look, /^for /, `${id}: goes on after "Checking"`)
    const sets = {
      realtime: [4],
      switches: [],
      reserved: [4],
      housekeeping: [0],
      online: [0, 4],
      vcpuPriority: 1,
    }
    t.equal(fixedBy === null && !/^evidence/.test(id), fix(sets) === '' && fixedBy === null, `${id}: fix`)
  }
})
