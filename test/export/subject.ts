import { parsePolicy } from '../../src/config/parse.js'
import { type Offers, offersOf } from '../../src/export/offers.js'
import type { ExportSubject } from '../../src/export/subject.js'
import type { PciDevice } from '../../src/host/facts.js'
import type { UseOf } from '../../src/host/use/use.js'
import { readyNic } from '../plan/make.js'

/** Three NICs that are ready, each in a group of its own unless `facts` of it say otherwise. */
export function threeNics(facts: Readonly<Record<number, Partial<PciDevice>>> = {}): PciDevice[] {
  return [0, 1, 2].map((index) => ({
    ...readyNic(`0000:03:00.${index}`, `ens1f${index}`, `a0:36:9f:00:00:0${index}`),
    iommuGroup: 10 + index,
    ...facts[index],
  }))
}

/** What is offered of a configuration. */
export function offered(config: string, pci: readonly PciDevice[], useOf: UseOf = () => []): Offers {
  return offersOf(parsePolicy(config, 'qemu-rt.toml'), { pci }, useOf)
}

/** An export's subject: a host that is known to be real-time with CPUs 4 to 7. */
export function subjectOf(
  config: string,
  pci: readonly PciDevice[],
  more: Partial<ExportSubject> = {},
): ExportSubject {
  return {
    offers: offered(config, pci).offers,
    host: { realtimeCpus: [4, 5, 6, 7], preemptRt: true, isHooked: false },
    expires: null,
    ...more,
  }
}
