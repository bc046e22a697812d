import t from 'tap'
import { argv, NAMED, planOf, warningsOf } from './make.js'

const MIB2 = { size: 2n << 20n, free: 1024, surplus: 0, freeByNode: { 0: 512, 1: 512 } }
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

const BASE = ['-m', '512M,maxmem=8G', '-machine', 'pc,memory-backend=r']
const RAM = ['-object', 'memory-backend-ram,id=r,size=512M']
const virtioMem = (backend: string, device: string) => [
  ...[...BASE, ...RAM, '-object', `memory-backend-${backend}`],
  ...['-device', device],
]

t.test('a virtio-mem device allocates what is requested, and nothing is reserved for the rest', async (t) => {
  const huge = 'hugetlb=on,hugetlbsize=2M'
  const cases: [string, string[], string[]][] = [
    [
      'keyval',
      virtioMem('ram,id=v,size=4G', 'virtio-mem-pci,id=vm0,memdev=v,requested-size=512M'),
      [
        `memfd,id=v,size=4G,${huge},reserve=off`,
        'virtio-mem-pci,id=vm0,memdev=v,requested-size=512M,prealloc=on',
      ],
    ],
    [
      'reserve=off and prealloc=on of the backend',
      virtioMem('memfd,id=v,size=4G,reserve=off,prealloc=on,share=on', 'virtio-mem-ccw,memdev=v'),
      [`memfd,id=v,size=4G,reserve=off,prealloc=off,share=on,${huge}`, 'virtio-mem-ccw,memdev=v,prealloc=on'],
    ],
  ]
  for (const [name, before, [backend, device]] of cases) {
    const planned = after(...before)
    t.match(planned, [...BASE, '-object', `memory-backend-memfd,id=r,size=512M,${huge},prealloc=on`], name)
    t.strictSame(planned.slice(6, 10), ['-object', `memory-backend-${backend}`, '-device', device], name)
    t.strictSame(after(...planned), planned, `${name}, planned again`)
  }
  const json = [
    '-object',
    '{"qom-type":"memory-backend-ram","id":"v","reserve":false,"size":4294967296}',
    '-device',
    '{"driver":"virtio-mem-pci","block-size":2097152,"requested-size":0,"memdev":"v"}',
  ]
  t.strictSame(after(...BASE, ...RAM, ...json).slice(6), [
    '-object',
    '{"qom-type":"memory-backend-memfd","id":"v","reserve":false,"size":4294967296,"hugetlb":true,"hugetlbsize":2097152}',
    '-device',
    '{"driver":"virtio-mem-pci","block-size":2097152,"requested-size":0,"memdev":"v","prealloc":true}',
  ])
})

t.test('-mem-prealloc is said by each backend when there is virtio-mem', async (t) => {
  const given = [
    ...virtioMem('ram,id=v,size=4G', 'virtio-mem-pci,memdev=v,prealloc=off'),
    ...['-mem-prealloc', '-object', 'memory-backend-file,id=f,size=2M,mem-path=/x'],
    ...['-object', 'memory-backend-ram,id=spare,size=2M,prealloc=off'],
  ]
  const planned = after(...given)
  t.strictSame(planned.slice(6), [
    ...['-object', 'memory-backend-memfd,id=v,size=4G,hugetlb=on,hugetlbsize=2M,reserve=off'],
    ...['-device', 'virtio-mem-pci,memdev=v,prealloc=off'],
    ...['-object', 'memory-backend-file,id=f,size=2M,mem-path=/x,prealloc=on'],
    ...['-object', 'memory-backend-ram,id=spare,size=2M,prealloc=off'],
  ])
  t.strictSame(after(...planned), planned, 'planned again')
  t.match(after('-m', '2M', '-mem-prealloc'), ['-m', '2M', '-mem-prealloc'], 'without virtio-mem it stays')
})

t.test('memory that is there is reserved, which QEMU wants where it is allocated', async (t) => {
  const dimm = ['-object', 'memory-backend-ram,id=d,size=1G,reserve=off', '-device', 'pc-dimm,memdev=d']
  t.match(
    after('-m', '2M', ...dimm).join(' '),
    'memory-backend-memfd,id=d,size=1G,hugetlb=on,hugetlbsize=2M,prealloc=on ',
  )
})

t.test('pages of virtio-mem are those that are requested', async (t) => {
  const free = (pages: number) => ({ hugePages: [{ ...MIB2, free: pages }] })
  const with512 = virtioMem('ram,id=v,size=4G', 'virtio-mem-pci,id=vm0,memdev=v,requested-size=512M')
  t.doesNotThrow(() => plan(with512, free(512)))
  t.throws(() => plan(with512, free(511)), {
    message: /^the guest needs 512 huge pages of 2M, this host has 511/,
  })
  const sizes: [string, RegExp][] = [
    [
      'requested-size=1M',
      /^requested-size of virtio-mem-pci 'vm0' of 1 MiB is not a multiple of the huge page size 2M/,
    ],
    [
      'block-size=1M',
      /^block-size 1 MiB of virtio-mem-pci 'vm0' is less than a huge page of 2M; give the device block-/,
    ],
    ['requested-size=x', /^memory size 'x' does not parse: -device \(option 6\)/],
  ]
  for (const [property, message] of sizes) {
    const args = virtioMem('ram,id=v,size=4G', `virtio-mem-pci,id=vm0,memdev=v,${property}`)
    t.throws(() => plan(args), { message, exitCode: 65 }, property)
  }
})

t.test('memory is not locked beside virtio-mem', async (t) => {
  const lock = { config: '[profile.p]\nlock-memory = true\n' }
  const args = virtioMem('ram,id=v,size=4G', 'virtio-mem-pci,id=vm0,memdev=v')
  t.throws(() => plan(args, lock), {
    message:
      /^QEMU locks no memory beside virtio-mem-pci 'vm0': lock-memory of profile 'p'; take lock-memory from/,
    exitCode: 65,
  })
  t.throws(() => plan([...args, '-overcommit', 'mem-lock=on-fault'], lock), {
    exitCode: 65,
    message: /^QEMU locks/,
  })
  t.match(argv(plan(['-m', '1G'], lock)).join(' '), 'mem-lock=on')
})

t.test('pages are counted as the kernel gives them', async (t) => {
  const pool = { ...MIB2, free: 100, surplus: 412, freeByNode: { 0: 60, 1: 40 } }
  const on = (pages: number, place: string) => [
    ...['-object', `memory-backend-ram,id=r,size=${pages * 2}M,${place}`, '-numa', 'node,memdev=r'],
  ]
  const fits = (pages: number, place: string, surplus = 412) =>
    t.doesNotThrow(() => plan(on(pages, place), { hugePages: [{ ...pool, surplus }] }), place)
  const lacks = (pages: number, place: string, message: RegExp, surplus = 412) =>
    t.throws(
      () => plan(on(pages, place), { hugePages: [{ ...pool, surplus }] }),
      { message, exitCode: 69 },
      place,
    )
  fits(512, 'share=on')
  lacks(513, 'share=on', /this host has 100 free and the kernel may make 412:/)
  fits(100, 'host-nodes=1,policy=preferred', 0)
  fits(100, 'host-nodes=1,policy=interleave', 0)
  lacks(101, 'host-nodes=1,policy=preferred', /this host has 100 free:/, 0)
  lacks(41, 'host-nodes=1,policy=bind', /NUMA node 1 has 40 free:/, 0)
  fits(41, 'host-nodes=1,policy=bind')
  const far = { ...pool, free: 140, freeByNode: { 0: 60, 1: 40, 2: 40 } }
  t.throws(() => plan(on(101, 'host-nodes=0-1,policy=bind'), { hugePages: [{ ...far, surplus: 0 }] }), {
    message: /NUMA nodes 0, 1 have 100 free:/,
  })
})

t.test('pages of nodes that the cpuset forbids are not to be had', async (t) => {
  const on = (pages: number, place: string) => [
    ...['-object', `memory-backend-ram,id=r,size=${pages * 2}M,${place}`, '-numa', 'node,memdev=r'],
  ]
  const beside = (facts: object) => (args: string[]) => plan(args, facts)
  const one = beside({ memoryNodes: [0] })
  t.doesNotThrow(() => one(['-m', '1G']))
  const short =
    /^the guest needs 513 huge pages of 2M, NUMA node 0, all that the cpuset allows, has 512 free: hugepages of profile 'p'; stop another VM, let the cpuset have another node \(cpuset\.mems of QEMU's cgroup\), or add pages/
  t.throws(() => one(['-m', '1026M']), { message: short, exitCode: 69 })
  t.throws(() => one(on(513, 'host-nodes=0-1,policy=bind')), { message: short, exitCode: 69 })
  t.doesNotThrow(() => one(on(512, 'host-nodes=0-1,policy=bind')))
  t.doesNotThrow(() => one(on(512, 'host-nodes=1,policy=preferred')))
  t.throws(() => one(on(1, 'host-nodes=1,policy=bind')), {
    message:
      /^memory backend 'r' is bound to NUMA node 1, and the cpuset allows only 0: .*policy=bind.*; bind it to an allowed/,
    exitCode: 69,
  })
  t.doesNotThrow(() => beside({ memoryNodes: [0, 1] })(['-m', '2G']))
  t.doesNotThrow(() => beside({ memoryNodes: [0, 1, 2] })(on(512, 'host-nodes=1,policy=bind')))
  t.doesNotThrow(() => beside({ memoryNodes: null })(['-m', '2G']))
  t.throws(() => beside({ memoryNodes: [1, 0], hugePages: [{ ...MIB2, free: 10 }] })(['-m', '22M']), {
    message: /this host has 10 free/,
  })
  const pool = { ...MIB2, free: 1024, surplus: 8 }
  t.doesNotThrow(() => beside({ memoryNodes: [0], hugePages: [pool] })(['-m', '1040M']))
  t.throws(() => beside({ memoryNodes: [0], hugePages: [pool] })(['-m', '1042M']), {
    message: /has 512 free and the kernel may make 8/,
  })
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

t.test('a control group that leaves too few huge pages is an error', async (t) => {
  const plan = (left: number) =>
    planOf([...NAMED, '-m', '20M'], {
      ...given,
      hugePages: [{ ...MIB2, free: 99, groupLimit: { left, file: '/sys/fs/cgroup/pod/hugetlb.2MB.max' } }],
    })
  t.doesNotThrow(() => plan(10))
  t.throws(() => plan(9), {
    exitCode: 69,
    message:
      /^the guest needs 10 huge pages of 2M, QEMU's cgroup may have 9 more \(\/sys\/fs\/cgroup\/pod\/hugetlb.2MB.max\): hugepages of profile 'p'; raise that limit/,
  })
})

t.test('huge pages of a guest with private memory are a warning: that is elsewhere', async (t) => {
  const warnings = (type: string, more = '') =>
    warningsOf(
      plan([
        '-M',
        `q35,confidential-guest-support=cgs0${more}`,
        '-object',
        `{"qom-type":"${type}","id":"cgs0"}`,
      ]),
    )
  for (const type of ['tdx-guest', 'sev-snp-guest'])
    t.strictSame(warnings(type), [
      `private memory of ${type} 'cgs0' is in guest_memfd, not in huge pages: these hold what the guest shares, and stay allocated besides`,
    ])
  t.strictSame(warnings('sev-guest'), [], 'has its RAM encrypted in place')
  t.strictSame(warnings('tdx-guest', ',confidential-guest-support=x'), [], 'another object')
})
