import t from 'tap'
import { argv, NAMED, planOf } from './make.js'

const given = { config: '[profile.p]\nlock-memory = true\n', options: ['--profile', 'p'] }
const after = (...args: string[]) => argv(planOf([...NAMED, ...args], given)).slice(2)

t.test('QEMU locks its memory, once', async (t) => {
  t.strictSame(after(), ['-overcommit', 'mem-lock=on'])
  t.strictSame(after('-overcommit', 'mem-lock=off,cpu-pm=on'), ['-overcommit', 'mem-lock=on,cpu-pm=on'])
  t.strictSame(after('-overcommit', 'cpu-pm=on'), ['-overcommit', 'cpu-pm=on,mem-lock=on'])
  for (const same of [['-overcommit', 'mem-lock=on-fault'], ['-realtime', 'mlock=on'], after()]) {
    t.strictSame(after(...same), same)
  }
})

t.test('without lock-memory nothing is locked', async (t) => {
  t.strictSame(argv(planOf(NAMED, { ...given, config: '[profile.p]\n' })), NAMED)
})

t.test('a limit below the guest’s RAM is an error', async (t) => {
  const dimm = ['-m', '1G', '-object', 'memory-backend-ram,id=d,size=1G', '-device', 'pc-dimm,memdev=d']
  const plan = (memoryLockLimit: bigint | 'unlimited') => planOf(dimm, { ...given, memoryLockLimit })
  t.throws(() => plan(2n << 30n), {
    message:
      "this user may lock 2 GiB, less than the guest's RAM of 2 GiB: lock-memory of profile 'p'; set LimitMEMLOCK=infinity for libvirtd or virtqemud, <memoryBacking><locked/> in the domain, or 'ulimit -l unlimited'",
    exitCode: 77,
  })
  t.doesNotThrow(() => plan(3n << 30n))
  t.doesNotThrow(() => plan('unlimited'))
})
