import t from 'tap'
import { parseProperties } from '../../src/argv/properties.js'
import { deviceAsJson } from '../../src/plan/nics/json-device.js'
import { run } from '../launcher/run.js'
import { needs } from './needs.js'

const QEMU = '/usr/bin/qemu-system-x86_64'

/** How a property reads in JSON. */
function typeInJson(property: string, text: string): string {
  const json = deviceAsJson(parseProperties(`vfio-pci,${property}=${text}`, { impliedKey: 'driver' }))
  return typeof JSON.parse(json)[property]
}

t.test(
  "each number and switch of vfio-pci has its type in JSON, as the machine's QEMU wants it",
  async (t) => {
    if (!needs(t, [QEMU])) return
    const { stdout } = await run([QEMU, '-device', 'vfio-pci,help'])
    const properties = [...stdout.matchAll(/^ +([\w-]+)=<(\w+)/gm)].filter(([, name]) => name !== 'addr')
    t.ok(properties.length > 30, `${properties.length} properties`)
    for (const [, name = '', type = ''] of properties) {
      if (/^bool/.test(type)) t.equal(typeInJson(name, 'on'), 'boolean', name)
      else if (/^(u?int|size)/.test(type)) t.equal(typeInJson(name, '1'), 'number', name)
      else t.equal(typeInJson(name, 'on'), 'string', name)
    }
  },
)
