import t from 'tap'
import { domainName, domainXml } from '../e2e/domain-xml.js'
import { NO_CPU_GROUPS, needsLibvirt, startLibvirtd } from '../e2e/libvirtd.js'
import { COMPILER } from './help/compile.js'
import { hostileQemu } from './help/hostile.js'

// M5: a QEMU has as many threads as it likes, and root sets each.

const THREADS = 300
/** Of root's, at once. */
const MOST = 32

const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"
[profile.rt]
vcpus = { cpus = "1" }
emulator = { cpus = "housekeeping", policy = "batch" }
`

/** In place of a program, where root runs it: counts how many of them there are while it runs. */
const COUNTING = `#!/bin/sh
[ "$(id -u)" = 0 ] || exec "/usr/bin/\${0##*/}" "$@"
: >"/run/count/$$"
# As long as it takes to start as many as are started at once.
sleep 0.3
ls /run/count | wc -l >>/run/counts
"/usr/bin/\${0##*/}" "$@"
status=$?
rm "/run/count/$$"
exit "$status"
`
const PUT = `
mkdir /run/count
for name in chrt taskset; do
  printf '%s' "$1" >/usr/local/bin/$name
  chmod 755 /usr/local/bin/$name
done`

t.test("the threads of a hostile QEMU are not as many processes of root's", async (t) => {
  if (!needsLibvirt(t, COMPILER)) return
  const libvirt = await startLibvirtd(t, { config: CONFIG, qemuConf: NO_CPU_GROUPS })
  await libvirt.run('sh', '-c', PUT, 'sh', COUNTING)
  const hostile = hostileQemu(t, `threads ${THREADS}`)
  const name = domainName()
  const metadata = '<r:request xmlns:r="urn:qemu-rt:request" profile="rt"/>'
  await libvirt.define(domainXml(name, { emulator: libvirt.emulator, metadata, env: hostile.env }))
  const { status } = await libvirt.virsh('start', name)
  const { stdout } = await libvirt.run('sh', '-c', 'cat /run/counts 2>/dev/null')
  const counts = stdout.trim().split('\n').map(Number)
  t.ok(Math.max(...counts) <= MOST, `at most ${Math.max(...counts)} at once`)
  if (status === 0) t.ok((await libvirt.threads(name)).length > THREADS, 'it was that hostile')
})
