import { readFileSync } from 'node:fs'
import { writeSysfs } from '../change/driver.js'
import { runHook } from '../libvirt/hook/hook.js'

/**
 * libvirt's hook: the domain's XML is on stdin. Prints nothing: libvirt reads the output of some operations as XML.
 * @param args the domain's name, operation, suboperation
 * @throws {UserError} what is to keep libvirt from starting the domain
 */
export async function hookCommand([, operation = '', suboperation = '']: readonly string[]): Promise<void> {
  await runHook(operation, suboperation, readFileSync(0, 'utf8'), { sysroot: '/', write: writeSysfs })
}
