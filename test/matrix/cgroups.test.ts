import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cgroups, removeNewCgroups } from '../../matrix/cgroups.js'

t.test('of the groups that are new only those of the tests’ domains are removed', async (t) => {
  const root = t.testdir({ cpuset: { machine: { 'qemu-1-rt-41-0.libvirt-qemu': {} } } })
  const before = cgroups(root)
  const made = [
    'cpuset/machine/qemu-1-rt-42-0.libvirt-qemu',
    'cpuset/machine/qemu-1-rt-42-0.libvirt-qemu/emulator',
    'cpuset/machine/qemu-9-web.libvirt-qemu',
    'user.slice/user-1000.slice/user@1000.service/job.scope',
    'docker/0123456789ab',
  ]
  for (const path of made) mkdirSync(join(root, path), { recursive: true })
  removeNewCgroups(before, root)
  const left = cgroups(root)
  t.strictSame(
    made.filter((path) => left.includes(join(root, path))),
    made.slice(2),
  )
  t.strictSame(
    before.filter((path) => !left.includes(path)),
    [],
  )
})
