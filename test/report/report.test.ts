import t from 'tap'
import { formatPlan } from '../../src/report/format.js'
import { formatTable } from '../../src/report/table.js'
import { FOUR_NICS, planOf } from '../plan/make.js'

const plan = planOf(
  [
    '-name',
    'plc 1',
    '-device',
    '{"driver":"vfio-pci","host":"nic:ens1f1","id":"h0"}',
    '-set',
    'device.h0.x=1',
  ],
  {
    pci: FOUR_NICS,
  },
)

t.test('text says what changes and why, the NICs, the command and the warnings', async (t) => {
  t.equal(
    formatPlan(plan, 'text'),
    `Plan for guest 'plc 1' (dry run: nothing is started)

Changes:
  nic-assignment: NIC 'ens1f1' is 0000:03:00.1 (ens1f1, a0:36:9f:00:00:01, vfio-pci), IOMMU group 3001, NUMA node 0
    - -device {"driver":"vfio-pci","host":"nic:ens1f1","id":"h0"}
    + -device {"driver":"vfio-pci","host":"0000:03:00.1","id":"h0"}
  thread-names: QEMU names its threads, so that vCPU, I/O and worker threads can be told apart
    - -name plc 1
    + -name plc 1,debug-threads=on

NICs:
  ens1f1 = 0000:03:00.1 (device 'h0', IOMMU group 3001, NUMA node 0)

Lease:
  NICs 0000:03:00.1

Command:
  /usr/bin/qemu-system-x86_64 \\
  -name 'plc 1,debug-threads=on' \\
  -device '{"driver":"vfio-pci","host":"0000:03:00.1","id":"h0"}' \\
  -set device.h0.x=1

Warnings:
  -set device.h0.x=1 (option 3) changes devices after the plan was made; it is not looked at
`,
  )
})

t.test('text of a plan that changes nothing says so', async (t) => {
  const nothing = planOf(['-name', 'debug-threads=on'])
  t.match(formatPlan(nothing, 'text'), 'Changes:\n  none: the command line is passed on as it is\n')
})

t.test('args is the golden format, environment first', async (t) => {
  t.equal(
    formatPlan(plan, 'args', ['LC_ALL=C', 'A=b c', 'E=']),
    `LC_ALL=C \\
A='b c' \\
E= \\
/usr/bin/qemu-system-x86_64 \\
-name 'plc 1,debug-threads=on' \\
-device '{"driver":"vfio-pci","host":"0000:03:00.1","id":"h0"}' \\
-set device.h0.x=1
`,
  )
})

t.test('diff shows the lines that change, and is empty when none does', async (t) => {
  t.match(formatPlan(plan, 'diff'), /^--- as given[\s\S]*^-.*nic:ens1f1.*$[\s\S]*^\+.*0000:03:00\.1.*$/m)
  t.equal(formatPlan(planOf(['-name', 'debug-threads=on']), 'diff'), '')
})

t.test('json ends with a newline', async (t) => {
  t.match(formatPlan(plan, 'json'), /^\{\n {2}"version": 1,[\s\S]*\}\n$/)
})

t.test('tables line up', async (t) => {
  t.equal(formatTable([['A', 'BB'], ['ccc', 'd'], ['e']]), 'A    BB\nccc  d\ne\n')
  t.equal(formatTable([]), '')
})
