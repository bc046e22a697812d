import { parseInventory } from '../../src/host/inventory-format.js'
import { leaseFileName, parseLeaseFileName } from '../../src/record/leases/lease-file.js'
import { formatVm, parseVm } from '../../src/record/vm.js'
import { mutate } from '../common/mutate.js'
import { must, type Target } from '../common/target.js'

const TEXTS = [
  '{"version":1,"id":"4711-83411-k3j2h1g0","guest":{"name":"plc-1","uuid":null},"profile":"rt","strict":true,"nics":[{"name":"fieldbus0","address":"0000:03:00.1"}],"lease":{"nics":["0000:03:00.1"],"cpus":"4-5"},"threads":{"vcpus":[{"vcpu":0,"cpus":"4","policy":"fifo","priority":1}],"emulator":{"cpus":"0-1"},"iothreads":[{"id":"io1","cpus":"0-1"}],"workers":{"cpus":"0"},"vhost":{"cpus":"1","policy":"rr","priority":99}},"vcpusAtStart":2,"startsPaused":true,"daemonizes":false}',
  '{"version":1,"id":"libvirt-b4d0c2a0-0000-4000-8000-000000000001","guest":{"name":"plc-1","uuid":"b4d0c2a0-0000-4000-8000-000000000001"},"process":{"pid":4711,"startTicks":83411,"namespace":"pid:[4026531836]"},"asked":{"profile":"rt","nics":{"replace":{"hostdev0":"fieldbus0"}},"flavor":null,"instance":"x"},"undo":[{"address":"0000:03:00.1","driver":"igb","node":{"path":"/dev/vfio/12","uid":0}}]}',
  '{"version":1,"id":"pid-4711-83411","asked":{"nics":{"add":["line1","line1"]}}}',
  '{"version":1,"devices":[{"address":"0000:03:00.1","vendor":"8086","device":"1521","subsystemVendor":"8086","subsystemDevice":"0001","serial":null,"interfaces":[{"name":"ens1f1","altnames":["a"],"mac":"a0:36:9f:12:34:56"}]}]}',
  '4711-83411-k3j2h1g0@4-7@0000:3b:02.1,0000:3b:02.2.lease',
]

/** What is read of /run/qemu-rt, of a QEMU's environment, of /var/lib: what is written again is what was read. */
export const records: Target = {
  name: 'records',
  title: 'records, names of leases, inventories',
  make: (random) => [mutate(random, random.pick(TEXTS), TEXTS)],
  take([text = '']) {
    const plan = parseVm(text)
    if (plan !== null) {
      const written = formatVm(plan)
      const again = parseVm(written)
      must(again !== null && formatVm(again) === written, 'a record is not read as it is written')
      const { vcpus = [], emulator, workers, vhost } = plan.threads ?? {}
      for (const setting of [...vcpus, emulator, workers, vhost]) {
        const { priority = null } = setting ?? {}
        must(priority === null || (priority >= 1 && priority <= 99), 'a priority that no thread can have')
      }
    }
    parseInventory(text)
    const lease = parseLeaseFileName(text.endsWith('.lease') ? text : `${text}.lease`)
    if (lease !== null) {
      const id = `${lease.process.pid}-${lease.process.startTicks}-x`
      const again = parseLeaseFileName(leaseFileName(id, lease))
      must(again === null || again.cpus.length === lease.cpus.length, 'a name is not read as it is written')
    }
  },
}
