import { type Properties, parseSwitch } from '../../argv/properties.js'

/**
 * Properties of vfio-pci for which QEMU takes no text in JSON (`-device vfio-pci,help` of 7.2, 10.0 and 11.1). One that is not here is
 * written as text: QEMU names it, and ends, if it wants another.
 */
const NUMBERS = new Set([
  ...['acpi-index', 'bootindex', 'rombar', 'romsize', 'x-igd-gms', 'x-intx-mmap-timeout-ms', 'xres', 'yres'],
  ...['x-pci-vendor-id', 'x-pci-device-id', 'x-pci-sub-vendor-id', 'x-pci-sub-device-id', 'x-pci-class-code'],
  ...['x-max-bounce-buffer-size', 'x-migration-max-queued-buffers-size', 'x-nv-gpudirect-clique'],
  'x-vpasid-cap-offset',
])
const SWITCHES = new Set([
  ...[
    'migration-events',
    'multifunction',
    'skip-vsc-check',
    'x-balloon-allowed',
    'x-enable-migration',
    'x-igd-lpc',
  ],
  ...[
    'x-igd-opregion',
    'x-no-geforce-quirks',
    'x-no-kvm-intx',
    'x-no-kvm-ioeventfd',
    'x-no-kvm-msi',
    'x-no-kvm-msix',
  ],
  ...['x-no-mmap', 'x-no-vfio-ioeventfd', 'x-pcie-ari-nextfn-1', 'x-pcie-err-unc-mask', 'x-pcie-ext-tag'],
  ...['x-pcie-extcap-init', 'x-pcie-lnksta-dllla', 'x-req', 'x-vga'],
])

/** The argument of -device in JSON (QEMU 6.2), of a vfio-pci device. */
export function deviceAsJson(device: Properties): string {
  return JSON.stringify(
    Object.fromEntries(device.keys.map((key) => [key, jsonValue(key, device.get(key) ?? '')])),
  )
}

function jsonValue(key: string, text: string): string | number | boolean {
  if (NUMBERS.has(key) && /^(0x[0-9a-f]+|0|-?[1-9]\d*)$/i.test(text)) return Number(text)
  return (SWITCHES.has(key) ? parseSwitch(text) : null) ?? text
}
