import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parsePolicy } from '../../src/config/parse.js'
import { UserError } from '../../src/errors/user-error.js'
import { caseTexts, FIXTURES } from '../common/corpus.js'
import { mutate } from '../common/mutate.js'
import { must, type Target } from '../common/target.js'

const example = (name: string) => readFileSync(join(FIXTURES, '../examples', name), 'utf8')
const TEXTS = [...caseTexts('qemu-rt.toml'), example('four-networks.toml'), example('real-time.toml')]

export const configurations: Target = {
  name: 'configurations',
  title: 'qemu-rt.toml',
  make: (random) => [mutate(random, random.pick(TEXTS), TEXTS)],
  take([text = '']) {
    try {
      const policy = parsePolicy(text, 'qemu-rt.toml')
      policy.place(['profile', 'rt', 'vcpus'])
    } catch (error) {
      if (error instanceof UserError)
        must(error.exitCode === 78, 'an error of the configuration has another code')
      throw error
    }
  },
}
