/** Arguments and environment may take a quarter of the stack's limit, which is 8 MiB where nobody changed it (execve(2)). */
const EXECVE_BYTES = 2 ** 21

/** For the environment, and for the words that lead to QEMU's arguments. */
const RESERVE_BYTES = 2 ** 16

/**
 * A command line in libvirt's style, with a vhost-user device, so that every memory backend is rewritten. A tenth of its
 * options are such backends.
 * @param options how many, at least those that every guest has
 * @returns its words
 * @throws {RangeError} when it is longer than execve(2) takes
 */
export function madeCommandLine(options: number): string[] {
  const more = Array.from({ length: options - GUEST.length }, (_, index) => further(index))
  const words = [...GUEST, ...more].flat()
  const bytes = words.reduce((sum, word) => sum + Buffer.byteLength(word) + 1 + BYTES_OF_A_POINTER, 0)
  if (bytes > EXECVE_BYTES - RESERVE_BYTES) throw new RangeError(`${options} options take ${bytes} bytes`)
  return words
}

const BYTES_OF_A_POINTER = 8

type Option = readonly [name: string, argument: string]

const GUEST: readonly Option[] = [
  ['-name', 'guest=bench,debug-threads=on'],
  ['-machine', 'pc-q35-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram'],
  ['-accel', 'kvm'],
  ['-cpu', 'host,migratable=on'],
  ['-m', 'size=2097152k,slots=256,maxmem=1073741824k'],
  ['-object', json({ 'qom-type': 'memory-backend-ram', id: 'pc.ram', size: 2 ** 31 })],
  ['-smp', '4,sockets=4,cores=1,threads=1'],
  ['-chardev', 'socket,id=charnet0,path=/run/openvswitch/vhost0.sock'],
  ['-netdev', json({ type: 'vhost-user', chardev: 'charnet0', id: 'hostnet0' })],
  ['-device', json({ driver: 'virtio-net-pci', netdev: 'hostnet0', id: 'net0', bus: 'pci.1' })],
]

/** What libvirt gives a guest more of, in turn: as JSON where it writes JSON, else as keyval. */
const KINDS: readonly ((id: number) => Option)[] = [
  (id) => ['-object', json({ 'qom-type': 'memory-backend-ram', id: `memdimm${id}`, size: 2 ** 27 })],
  (id) => ['-device', json({ driver: 'pc-dimm', node: 0, memdev: `memdimm${id - 1}`, id: `dimm${id}` })],
  (id) => ['-blockdev', json({ driver: 'host_device', filename: `/dev/vg/${id}`, 'node-name': `disk${id}` })],
  (id) => ['-device', json({ driver: 'virtio-blk-pci', bus: `pci.${id}`, drive: `disk${id - 1}` })],
  (id) => ['-netdev', json({ type: 'tap', fd: `${id}`, vhost: true, id: `hostnet${id}` })],
  (id) => ['-device', `virtio-net-pci,netdev=hostnet${id - 1},id=net${id},bus=pci.${id},addr=0x0`],
  (id) => ['-chardev', `socket,id=charserial${id},path=/run/guest/${id}.sock,server=on,wait=off`],
  (id) => ['-device', json({ driver: 'isa-serial', chardev: `charserial${id - 1}`, id: `serial${id}` })],
  (id) => ['-object', `throttle-group,id=limit${id},x-iops-total=1000,x-bps-total=104857600`],
  (id) => ['-blockdev', `driver=raw,node-name=format${id},file=disk${id - 7},read-only=off`],
]

function further(index: number): Option {
  const kind = KINDS[index % KINDS.length]
  if (kind === undefined) throw new RangeError(`no kind for option ${index}`)
  return kind(index)
}

function json(value: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(value)
}
