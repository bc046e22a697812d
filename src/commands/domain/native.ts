import { nativeXml } from '../../libvirt/native/native.js'
import { type DomainOptions, planDomain } from '../../libvirt/plan-domain.js'
import { report, writeAll } from '../../report/output.js'
import { readXml } from './plan.js'

/**
 * Prints a domain's XML with everything said to libvirt that it can do itself, and on stderr what remains for the wrapper.
 * @param file `-` is stdin
 * @throws {UserError} exit 65 when it is no domain's XML, and what the planner throws
 */
export async function domainNative(file: string, options: DomainOptions): Promise<void> {
  const source = readXml(file)
  const planned = await planDomain(source, file === '-' ? 'stdin' : file, options)
  const { xml, remains, emulator } = nativeXml(source, planned)
  for (const note of planned.notes) report(note)
  for (const { name, address } of planned.plan.nics) report(`NIC '${name}' is ${address} on this host today`)
  for (const line of remains) report(`remains for the wrapper: ${line}`)
  if (remains.length === 0) report(`nothing remains for the wrapper: <emulator> is ${emulator}`)
  writeAll(1, xml)
}
