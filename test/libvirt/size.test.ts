import t from 'tap'
import { sizeIn } from '../../src/libvirt/size.js'
import { parseXml } from '../../src/libvirt/xml.js'

t.test("sizes have libvirt's units, and are counted in KiB, rounded up", async (t) => {
  const size = (attributes: string, number: string) => {
    const element = parseXml(`<memory${attributes}>${number}</memory>`)
    if ('problem' in element) throw new Error(element.problem)
    return sizeIn(element)
  }
  t.equal(size('', '1024'), 1_048_576n)
  t.equal(size(" unit='KiB'", '1'), 1024n)
  t.equal(size(" unit='k'", '1'), 1024n)
  t.equal(size(" unit='MB'", '1024'), 1_024_000_000n)
  t.equal(size(" unit='KB'", '1000'), 1_000_448n, 'rounded up')
  t.equal(size(" unit='b'", '1'), 1024n)
  t.equal(size(" unit='GiB'", '2'), 2n << 30n)
  t.equal(size(" unit='EiB'", '1'), 1n << 60n)
  t.equal(size('', 'x'), 0n)
  t.equal(sizeIn(null), 0n)
})
