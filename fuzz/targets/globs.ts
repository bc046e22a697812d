import { matchesGlob } from '../../src/units/glob.js'
import { mutate } from '../common/mutate.js'
import { must, type Target } from '../common/target.js'

const TEXTS = [
  'plc-1',
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab',
  'qemu-system-x86',
  'CPU 0/KVM',
  'a/b',
]
const GLOBS = [
  'plc-*',
  '*a*a*a*a*a*b',
  '[a-z]*-?',
  '{a,b{c,d}}*',
  '!(a|b)*',
  '+(a|aa)b',
  'vm{1..9}',
  '[[:alpha:]]*',
]

/** Globs: hostile texts and, since a person mistypes, strange patterns. */
export const globs: Target = {
  name: 'globs',
  title: 'globs of names',
  make: (random) => [
    mutate(random, random.pick(TEXTS), TEXTS),
    random.once(2) ? random.pick(GLOBS) : mutate(random, random.pick(GLOBS), GLOBS).slice(0, 400),
  ],
  take([text = '', glob = '']) {
    matchesGlob(text, glob)
    must(matchesGlob(text, '*'), 'a star matches everything')
  },
}
