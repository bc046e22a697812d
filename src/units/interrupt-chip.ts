/**
 * Whether interrupts of devices are remapped, so that a device raises its own alone. On x86 the names of the chips say so: `IR-PCI-MSI`
 * and `IR-IO-APIC` where they are, `PCI-MSI` (since Linux 6.2 with the device's address behind it) and `IO-APIC` where they are not
 * (Linux arch/x86/kernel/apic/msi.c and io_apic.c).
 * @param chips of interrupts of this host, as in /sys/kernel/irq/N/chip_name; read until they tell
 * @returns null when none of them tells, as on other architectures
 */
export function remapsInterrupts(chips: Iterable<string>): boolean | null {
  let answer: false | null = null
  for (const chip of chips) {
    if (/^IR-(IO-APIC|PCI-MSI)/.test(chip)) return true
    if (/^(IO-APIC|PCI-MSI)/.test(chip)) answer = false
  }
  return answer
}
