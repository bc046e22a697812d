import { parseQemuConf } from '../../src/libvirt/qemu-conf.js'
import { mutate } from '../common/mutate.js'
import type { Target } from '../common/target.js'

const TEXTS = [
  '# a comment\nuser = "libvirt-qemu"\nnamespaces = [ ]\n',
  'cgroup_device_acl = [\n    "/dev/null", "/dev/full",\n    "/dev/vfio/vfio"\n]\n\n\n',
  'cgroup_controllers = [ "cpu", "devices" ]\nnamespaces = [ "mount" ]\nmax_files = 32768\n',
]

export const qemuConf: Target = {
  name: 'qemu-conf',
  title: "libvirt's qemu.conf",
  make: (random) => [mutate(random, random.pick(TEXTS), TEXTS)],
  take([text = '']) {
    parseQemuConf(text)
  },
}
