/** A control group of one controller. */
export interface Group {
  readonly version: 1 | 2
  /** Where the hierarchy is mounted: `/sys/fs/cgroup/cpuset`. */
  readonly mountPoint: string
  /** The group below it: empty for the root group, else `/machine/…`. */
  readonly path: string
}

/**
 * Finds a process's or thread's group of a controller: in cgroup v1 if the controller is there, else in v2.
 * @param cgroup text of /proc/PID/cgroup (cgroups(7))
 * @param mounts text of /proc/PID/mountinfo (proc(5))
 * @returns null when the hierarchy is not mounted
 */
export function findGroup(
  controller: 'cpu' | 'cpuset' | 'hugetlb',
  cgroup: string,
  mounts: string,
): Group | null {
  const groups = cgroup.split('\n').map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? [])
  const v1 = groups.find(([, controllers = '']) => controllers.split(',').includes(controller))
  const v2 = groups.find(([, controllers]) => controllers === '')
  const version = v1 === undefined ? 2 : 1
  const path = (v1 ?? v2)?.[2]
  const mount = mounts
    .split('\n')
    .map(parseMount)
    .find((one) =>
      version === 1 ? one?.options.includes(controller) && one.type === 'cgroup' : one?.type === 'cgroup2',
    )
  if (path === undefined || !mount) return null
  // A container may have mounted a part of the hierarchy alone.
  const below = path.startsWith(mount.root) ? path.slice(mount.root === '/' ? 0 : mount.root.length) : path
  return { version, mountPoint: mount.mountPoint, path: below.replace(/\/$/, '') }
}

function parseMount(line: string) {
  const [places = '', kind = ''] = line.split(' - ')
  const [, , , root, mountPoint] = places.split(' ')
  const [type, , options = ''] = kind.split(' ')
  if (root === undefined || mountPoint === undefined || type === undefined) return null
  return { root, mountPoint, type, options: options.split(',') }
}
