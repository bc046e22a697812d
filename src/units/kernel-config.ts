/** What a kernel's build configuration says of an option: `y`, `m`, a value; `n` when it is off. */
export function configOption(config: string, name: string): string {
  // A search for a text: a regular expression takes milliseconds of a start for hundreds of kilobytes.
  const key = `\nCONFIG_${name}=`
  const lines = `\n${config}\n`
  const at = lines.indexOf(key)
  return at < 0 ? 'n' : lines.slice(at + key.length, lines.indexOf('\n', at + 1)).trimEnd()
}

/**
 * Whether a kernel schedules real-time threads by groups, each with a time of its own. `rt_group_sched=` of the kernel's
 * command line turns it on and off (kernel/sched/core.c, setup_rt_group_sched, in kernels that have
 * CONFIG_RT_GROUP_SCHED_DEFAULT_DISABLED; others do not know the parameter, and few have it on).
 * @param asked value of the last `rt_group_sched=`; null without
 */
export function hasRealtimeGroups(config: string, asked: string | null): boolean {
  if (configOption(config, 'RT_GROUP_SCHED') !== 'y') return false
  // lib/kstrtox.c, kstrtobool
  if (asked !== null && /^([yYtT1]|[oO][nN])/.test(asked)) return true
  if (asked !== null && /^([nNfF0]|[oO][fF])/.test(asked)) return false
  return configOption(config, 'RT_GROUP_SCHED_DEFAULT_DISABLED') !== 'y'
}
