import t from 'tap'
import { readSeconds } from '../../src/commands/jitter-options.js'

t.test('seconds are digits, with a fraction or without', async (t) => {
  t.strictSame(['2', '10', '2.5', '604800', '604800.0'].map(readSeconds), [2, 10, 2.5, 604_800, 604_800])
  const wrong = [
    '0x5',
    '1e3',
    ' 2',
    '2 ',
    '+3',
    '2.',
    '.5',
    '1',
    '1.9',
    '604801',
    '604800.1',
    'Infinity',
    '-5',
    '',
  ]
  for (const seconds of [...wrong, '9'.repeat(400)])
    t.throws(() => readSeconds(seconds), {
      exitCode: 64,
      message: `'${seconds}' is not from 2 to 604800: --seconds; write a number of seconds, such as --seconds 10`,
    })
})
