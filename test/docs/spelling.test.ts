import { spawnSync } from 'node:child_process'
import t from 'tap'
import { top } from './pages.js'

t.test('no page has a word that neither a dictionary nor docs/words.txt knows', async (t) => {
  const { status, stdout } = spawnSync('node_modules/.bin/cspell', ['--no-progress', '--no-summary'], {
    cwd: top,
    encoding: 'utf8',
  })
  t.equal(status, 0, stdout)
})
