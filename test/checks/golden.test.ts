import { readFileSync } from 'node:fs'
import t from 'tap'
import { checkedHosts, outputsOf } from '../../fixtures/make-checks/outputs.js'

t.test('there is a host of each kind', async (t) => {
  t.strictSame(checkedHosts(), ['container', 'numa', 'ready', 'rhel', 'smt', 'tuned', 'unprepared'])
})

for (const name of checkedHosts()) {
  t.test(`${name}: what is printed is what is expected (npm run host-checks writes it anew)`, async (t) => {
    for (const [file, text] of Object.entries(await outputsOf(name))) {
      t.equal(text, readFileSync(`fixtures/checks/${name}/${file}`, 'utf8'), file)
    }
  })
}
