import { formatCpuSet, intersectCpuSets, parseCpuSet, subtractCpuSets } from '../../src/units/cpu-set.js'
import { mutate } from '../common/mutate.js'
import { must, type Target } from '../common/target.js'

const LISTS = ['0-3,8', '0-8191', '0-7,^0-1, ^5', '10-14:2', '8191', '0,2,4,6,8-4095:3', ' 1 , 2 ', '^0']

/** Lists of CPUs: what is written is what was read, and no CPU is above 8191. */
export const cpuLists: Target = {
  name: 'cpu-lists',
  title: 'lists of CPUs',
  make: (random) => [mutate(random, random.pick(LISTS), LISTS), mutate(random, random.pick(LISTS), LISTS)],
  take([text = '', other = '']) {
    const [a, b] = [parseCpuSet(text), parseCpuSet(other)]
    if (a === null) return
    must(
      a.every((cpu, index) => cpu > (a[index - 1] ?? -1) && cpu <= 8191),
      'not ascending, or above 8191',
    )
    must(formatCpuSet(parseCpuSet(formatCpuSet(a)) ?? []) === formatCpuSet(a), 'is not read as it is written')
    if (b === null) return
    must(intersectCpuSets(a, b).length + subtractCpuSets(a, b).length === a.length, 'parts are not the whole')
  },
}
