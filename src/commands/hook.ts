import { readFileSync } from 'node:fs'
import { writeSysfs } from '../change/driver.js'
import { FOLLOW, followedStart, followInterrupts } from '../libvirt/hook/follow.js'
import { runHook } from '../libvirt/hook/hook.js'

/**
 * libvirt's hook: the domain's XML is on stdin. Prints nothing: libvirt reads the output of some operations as XML.
 * @param args the domain's name, operation, suboperation; or the id of a record, `follow`, and its process
 * @throws {UserError} what is to keep libvirt from starting the domain
 */
export async function hookCommand(args: readonly string[]): Promise<void> {
  const [domain = '', operation = '', suboperation = ''] = args
  if (operation === FOLLOW) {
    const start = followedStart(domain, suboperation)
    return start === null ? undefined : followInterrupts('/', start)
  }
  const call = { domain, operation, suboperation, xml: readFileSync(0, 'utf8') }
  await runHook(call, { sysroot: '/', write: writeSysfs })
}
