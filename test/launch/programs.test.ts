import t from 'tap'
import { checkPrograms } from '../../src/launch/programs.js'

t.test('a program of the chain that is not there is named', async (t) => {
  const chain = [
    ['sh', '-c'],
    ['taskset', '-c', '0'],
  ]
  checkPrograms(chain, process.env.PATH)
  checkPrograms(chain, undefined)
  checkPrograms([], '')
  t.throws(() => checkPrograms([['no-such-program', '-F']], '/usr/bin:/bin'), {
    exitCode: 69,
    message:
      'no-such-program is needed to start QEMU, and is not in PATH: /usr/bin:/bin; install util-linux, or start with a PATH that has its directory',
  })
})
