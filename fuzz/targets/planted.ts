import { mutate } from '../common/mutate.js'
import { must, type Target } from '../common/target.js'

const TEXTS = ['alpha=1,beta=2', 'gamma=[1,2,3]']

/** Faults of each kind that are there on purpose. */
export const planted: readonly Target[] = [
  plant('planted-crash', (text) => {
    if (text.includes('\0')) throw new TypeError('planted')
  }),
  plant('planted-fault', (text) => must(!text.includes('8192'), 'planted')),
  plant('planted-control', (text) => ({ texts: [text.includes('\x9b') ? '\x9b' : ''] })),
  plant('planted-lines', (text) => ({ lines: [text.includes('\u202e') ? 'a\n\n' : 'a\n'] })),
  plant('planted-slow', (text) => {
    if (!text.includes('{{')) return
    const start = process.cpuUsage()
    for (let ms = 0; ms < 400; ) {
      const { user, system } = process.cpuUsage(start)
      ms = (user + system) / 1000
    }
  }),
]

function plant(name: string, take: (text: string) => ReturnType<Target['take']>): Target {
  return {
    name,
    title: 'a fault that is there on purpose',
    make: (random) => [mutate(random, random.pick(TEXTS), TEXTS)],
    take: ([text = '']) => take(text),
  }
}
