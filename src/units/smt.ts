/** How SMT is off: switched off, or by the kernel's command line, until the next boot. */
export type SmtOff = 'off' | 'forceoff'

/**
 * Reads how SMT is off (Linux Documentation/ABI/testing/sysfs-devices-system-cpu, smt/control).
 * @param control what stands in that file; null where there is none
 * @returns undefined where SMT is on, or this CPU has none
 */
export function parseSmtControl(control: string | null): SmtOff | undefined {
  return control === 'off' || control === 'forceoff' ? control : undefined
}
