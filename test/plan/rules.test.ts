import t from 'tap'
import { argv, NAMED, planOf } from './make.js'

const after = (rule: string, ...args: string[]) =>
  argv(planOf([...NAMED, ...args], { config: rule })).slice(2)

t.test('a rule sets keys of every option that matches, and says where it stands', async (t) => {
  const config = `
[[rule]]
option = "device"
match  = { driver = "virtio-net-pci" }
set    = { rx_queue_size = 1024, mq = true, note = "a,b" }
`
  const args = [
    '-device',
    'virtio-net-pci,id=a',
    '-device',
    '{"driver":"virtio-net-pci","mq":false}',
    '-device',
    'vga',
  ]
  const plan = planOf([...NAMED, ...args], { config })
  t.strictSame(argv(plan).slice(2), [
    '-device',
    'virtio-net-pci,id=a,rx_queue_size=1024,mq=on,note=a,,b',
    '-device',
    '{"driver":"virtio-net-pci","mq":true,"rx_queue_size":1024,"note":"a,b"}',
    '-device',
    'vga',
  ])
  t.match(plan.changes[0], { pass: 'rules', option: '-device', reason: 'rule 1 of qemu-rt.toml' })
  t.strictSame(planOf(argv(plan), { config }).changes, [])
})

t.test('match takes globs, booleans and numbers', async (t) => {
  const rule = (match: string) => `[[rule]]\noption = "device"\nmatch = { ${match} }\nset = { x = 1 }\n`
  const hit = (match: string) =>
    after(rule(match), '-device', 'virtio-net-pci,mq=on,queues=4,path=/a/b')[1]?.endsWith(',x=1')
  t.ok(hit('driver = "virtio-net-*"'))
  t.ok(hit('mq = true, queues = 4'))
  t.ok(hit('path = "/a*"'))
  t.notOk(hit('driver = "virtio-blk-*"'))
  t.notOk(hit('absent = "*"'))
})

t.test('a rule deletes keys', async (t) => {
  const rule = '[[rule]]\noption = "device"\ndelete = ["rombar"]\n'
  t.strictSame(after(rule, '-device', 'e1000,rombar=0,id=a'), ['-device', 'e1000,id=a'])
})

t.test('a rule means a key however it is spelled, where QEMU does', async (t) => {
  const irqchip = (key: string) =>
    `[[rule]]\noption = "machine"\nmatch = { "${key}" = "on" }\nset = { "${key}" = "split" }\n`
  for (const key of ['kernel_irqchip', 'kernel-irqchip']) {
    t.strictSame(after(irqchip(key), '-machine', 'q35,kernel_irqchip=on'), [
      '-machine',
      'q35,kernel_irqchip=split',
    ])
  }
  const cpu = '[[rule]]\noption = "cpu"\nset = { invtsc = false, "tsc-deadline" = true }\n'
  t.strictSame(after(cpu, '-cpu', 'host,+invtsc,-tsc-deadline'), ['-cpu', 'host,invtsc=off,tsc-deadline=on'])
  const direct = '[[rule]]\noption = "blockdev"\nset = { "cache.direct" = true }\n'
  t.strictSame(after(direct, '-blockdev', '{"driver":"file","filename":"/x"}'), [
    '-blockdev',
    '{"driver":"file","filename":"/x","cache":{"direct":true}}',
  ])
})

t.test('a rule with add brings the option when none matches, once', async (t) => {
  const rule = '[[rule]]\noption = "overcommit"\nset = { cpu-pm = true }\nadd = true\n'
  t.strictSame(after(rule), ['-overcommit', 'cpu-pm=on'])
  t.strictSame(after(rule, '-overcommit', 'mem-lock=off'), ['-overcommit', 'mem-lock=off,cpu-pm=on'])
  const device =
    '[[rule]]\noption = "device"\nmatch = { driver = "a" }\nset = { driver = "b", x = 1 }\nadd = true\n'
  t.strictSame(after(device), ['-device', 'b,x=1'])
  t.strictSame(after(device, '-device', 'b,x=1'), ['-device', 'b,x=1'])
})

t.test('a rule without add leaves an option alone that is not there', async (t) => {
  t.strictSame(after('[[rule]]\noption = "overcommit"\nset = { cpu-pm = true }\n'), [])
})

t.test('rules apply one after the other, M means machine', async (t) => {
  const rules =
    '[[rule]]\noption = "M"\nset = { usb = false }\n[[rule]]\noption = "machine"\nmatch = { usb = false }\nset = { a = 1 }\n'
  t.strictSame(after(rules, '-machine', 'pc'), ['-machine', 'pc,usb=off,a=1'])
})

t.test("a rule with a profile is for that profile's VMs", async (t) => {
  const config = '[profile.rt]\n[[rule]]\nprofile = "rt"\noption = "m"\nset = { slots = 2 }\n'
  t.strictSame(argv(planOf([...NAMED, '-m', '1G'], { config })).slice(2), ['-m', '1G'])
  t.strictSame(argv(planOf([...NAMED, '-m', '1G'], { config, options: ['--profile', 'rt'] })).slice(2), [
    '-m',
    '1G,slots=2',
  ])
})

t.test('a rule that can never apply is an error', async (t) => {
  t.throws(() => after('[[rule]]\noption = "devise"\nset = { a = 1 }\n'), {
    message: "QEMU has no option 'devise': qemu-rt.toml:2; did you mean 'device'?",
    exitCode: 78,
  })
  t.throws(() => after('[[rule]]\noption = "kernel"\nset = { a = 1 }\n'), {
    message: 'the argument of -kernel has no keys, so a rule cannot set one: qemu-rt.toml:2; remove the rule',
    exitCode: 78,
  })
})

t.test('keys with dots are members of members in JSON', async (t) => {
  const rule =
    '[[rule]]\noption = "blockdev"\nmatch = { "cache.direct" = false }\nset = { "cache.direct" = true }\n'
  t.strictSame(
    after(rule, '-blockdev', '{"driver":"file","cache":{"direct":false,"no-flush":false},"node-name":"a"}'),
    ['-blockdev', '{"driver":"file","cache":{"direct":true,"no-flush":false},"node-name":"a"}'],
  )
  t.strictSame(after(rule, '-blockdev', 'driver=file,cache.direct=off'), [
    '-blockdev',
    'driver=file,cache.direct=on',
  ])
  const remove = '[[rule]]\noption = "blockdev"\ndelete = ["cache.direct"]\n'
  t.strictSame(after(remove, '-blockdev', '{"cache":{"direct":false,"a":1}}'), [
    '-blockdev',
    '{"cache":{"a":1}}',
  ])
})

t.test('a switch in words stays a boolean in JSON, and is matched however keyval spells it', async (t) => {
  const rule = '[[rule]]\noption = "device"\nmatch = { packed = true }\nset = { packed = "on", x = 1 }\n'
  t.strictSame(after(rule, '-device', '{"driver":"a","packed":true}'), [
    '-device',
    '{"driver":"a","packed":true,"x":1}',
  ])
  t.strictSame(after(rule, '-device', 'a,packed=yes'), ['-device', 'a,packed=on,x=1'])
})

t.test('empty values match, and a star matches them', async (t) => {
  const rule = (match: string) =>
    `[[rule]]\noption = "device"\nmatch = { mac = "${match}" }\nset = { x = 1 }\n`
  t.strictSame(after(rule(''), '-device', 'a,mac='), ['-device', 'a,mac=,x=1'])
  t.strictSame(after(rule(''), '-device', 'a,mac=b'), ['-device', 'a,mac=b'])
  t.strictSame(after(rule('*'), '-device', 'a,mac='), ['-device', 'a,mac=,x=1'])
})

t.test('options that merge are one: what counts is matched and set, and deleted everywhere', async (t) => {
  const machine = (rule: string, ...args: string[]) =>
    after(`[[rule]]\noption = "machine"\n${rule}\n`, ...args.flatMap((arg) => ['-machine', arg])).filter(
      (_, at) => at % 2,
    )
  t.strictSame(machine('match = { type = "q35" }\nset = { accel = "tcg" }', 'q35', 'accel=kvm'), [
    'q35',
    'accel=tcg',
  ])
  t.strictSame(machine('match = { type = "q35" }\nset = { usb = false }', 'q35', 'accel=kvm'), [
    'q35',
    'accel=kvm,usb=off',
  ])
  t.strictSame(machine('delete = ["accel"]', 'q35,accel=tcg', 'accel=kvm,usb=off'), ['q35', 'usb=off'])
})

t.test(
  'a rule that makes a device of vhost-user has guest RAM shared, and its output is left alone',
  async (t) => {
    const config = `
[[rule]]
option = "device"
match  = { driver = "virtio-blk-pci" }
set    = { driver = "vhost-user-blk-pci", chardev = "c0" }
delete = ["drive"]

[[rule]]
option = "object"
match  = { qom-type = "memory-backend-memfd" }
set    = { prealloc = true }
`
    const plan = planOf([...NAMED, '-m', '256', '-device', 'virtio-blk-pci,drive=d'], { config })
    t.strictSame(argv(plan).slice(4), [
      '-device',
      'vhost-user-blk-pci,chardev=c0',
      '-object',
      'memory-backend-memfd,id=pc.ram,size=268435456,share=on,prealloc=on',
      '-machine',
      'memory-backend=pc.ram',
    ])
    t.strictSame(
      plan.changes.map(({ pass }) => pass),
      ['rules', 'shared-memory', 'shared-memory', 'rules'],
    )
    t.strictSame(planOf(argv(plan), { config }).changes, [])
  },
)
