import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const SCRIPT = readFileSync(fileURLToPath(new URL('../../system/hook', import.meta.url)), 'utf8')

t.test('what the script writes into the log has nothing in it that a reader obeys', async (t) => {
  const directory = t.testdir({})
  const program = (name: string, text: string) => {
    writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(directory, name), 0o755)
  }
  program('hook', SCRIPT.replaceAll('@bin@', directory).replace(/^#!.*\n/, ''))
  program('qemu-rt', 'exit 3')
  program('logger', `printf '%s\\n' "$@" >"${directory}/said"`)
  const env = { PATH: `${directory}:${process.env.PATH}` }
  const args = ['plc \u001b[2J\u202e\u009b31m', 'release', 'end', '-']
  t.equal(spawnSync(join(directory, 'hook'), args, { env, input: '' }).status, 0)
  t.match(
    readFileSync(join(directory, 'said'), 'utf8'),
    /^--tag\nqemu-rt\n--\nguest 'plc [ -~]+': the hook failed at release \(exit code 3\)\n$/,
  )
})
