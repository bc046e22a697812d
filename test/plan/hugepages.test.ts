import t from 'tap'
import { argv, NAMED, planOf, warningsOf } from './make.js'

const MIB2 = { size: 2n << 20n, free: 1024, freeByNode: { 0: 512, 1: 512 } }
const given = { config: '[profile.p]\nhugepages = "2M"\n', options: ['--profile', 'p'], hugePages: [MIB2] }
const plan = (args: string[], facts = {}) => planOf([...NAMED, ...args], { ...given, ...facts })
const after = (...args: string[]) => argv(plan(args)).slice(2)

t.test('guest RAM of every form gets huge pages, and a second plan changes nothing', async (t) => {
  const huge = 'hugetlb=on,hugetlbsize=2M,prealloc=on'
  const cases: [string, string[], string[]][] = [
    [
      'plain -m',
      ['-m', '1G'],
      [
        '-m',
        '1G',
        '-object',
        `memory-backend-memfd,id=pc.ram,size=1073741824,${huge}`,
        '-machine',
        'memory-backend=pc.ram',
      ],
    ],
    [
      'a RAM backend',
      ['-machine', 'pc,memory-backend=r', '-object', 'memory-backend-ram,id=r,size=1G,share=off'],
      ['-machine', 'pc,memory-backend=r', '-object', `memory-backend-memfd,id=r,size=1G,share=off,${huge}`],
    ],
    [
      'a memfd in JSON',
      ['-numa', 'node,memdev=r', '-object', '{"qom-type":"memory-backend-memfd","id":"r","size":1073741824}'],
      [
        '-numa',
        'node,memdev=r',
        '-object',
        '{"qom-type":"memory-backend-memfd","id":"r","size":1073741824,"hugetlb":true,"hugetlbsize":2097152,"prealloc":true}',
      ],
    ],
    [
      'huge pages that somebody chose',
      ['-numa', 'node,memdev=r', '-object', 'memory-backend-memfd,id=r,size=1G,hugetlb=on,hugetlbsize=1G'],
      ['-numa', 'node,memdev=r', '-object', 'memory-backend-memfd,id=r,size=1G,hugetlb=on,hugetlbsize=1G'],
    ],
    [
      'with a vhost-user device',
      ['-m', '1G', '-netdev', 'vhost-user,id=n,chardev=c'],
      [
        '-m',
        '1G',
        '-netdev',
        'vhost-user,id=n,chardev=c',
        '-object',
        `memory-backend-memfd,id=pc.ram,size=1073741824,share=on,${huge}`,
        '-machine',
        'memory-backend=pc.ram',
      ],
    ],
  ]
  for (const [name, before, expected] of cases) {
    t.strictSame(after(...before), expected, name)
    t.strictSame(after(...expected), expected, `${name}, planned again`)
  }
})

t.test('memory with a place of its own stays there, with a warning', async (t) => {
  t.strictSame(warningsOf(plan(['-m', '1G', '-mem-path', '/dev/hugepages'])), [
    '-mem-path /dev/hugepages stays: guest RAM comes from there',
  ])
  const file = [
    '-object',
    'memory-backend-file,id=f,size=1G,mem-path=/dev/hugepages',
    '-numa',
    'node,memdev=f',
  ]
  t.strictSame(warningsOf(plan(file)), [
    "memory backend 'f' of -object (option 2) is left as it is: memory-backend-file has its own place",
  ])
})

t.test('pages that the host has not are an error before QEMU is started', async (t) => {
  const node = (size: string) => [
    '-object',
    `memory-backend-ram,id=r,size=${size},host-nodes=1,policy=bind`,
    '-numa',
    'node,memdev=r',
  ]
  const cases: [string, () => unknown, number, RegExp][] = [
    [
      'too few in all',
      () => plan(['-m', '3G']),
      69,
      /^the guest needs 1536 huge pages of 2M, this host has 1024 free: hugepages of profile 'p'; /,
    ],
    [
      'too few on the node',
      () => plan(node('1536M')),
      69,
      /^the guest needs 768 huge pages of 2M, NUMA node 1 has 512 free/,
    ],
    [
      'no such size',
      () => plan(['-m', '1G'], { hugePages: [{ ...MIB2, size: 1n << 30n }] }),
      69,
      /^this host has no huge pages of 2M: .*; it has 1 GiB; boot with hugepagesz=2M/,
    ],
    ['no huge pages', () => plan(['-m', '1G'], { hugePages: [] }), 69, /it has none/],
    [
      'not a whole number of pages',
      () => plan(['-m', '1025k']),
      65,
      /^memory backend 'pc.ram' of 1032 KiB is not a multiple of the huge page size 2M/,
    ],
  ]
  for (const [name, make, exitCode, message] of cases) t.throws(make, { message, exitCode }, name)
  t.doesNotThrow(() => plan(node('1G')))
  t.doesNotThrow(() => plan(['-m', '64G'], { hugePages: null }), 'a host that does not say')
})
