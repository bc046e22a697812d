/** What a root is made of. */
export interface RootPlan {
  /** By which it is asked for and kept. */
  readonly name: string
  /** Debian's release, by its code name. */
  readonly suite: string
  /** Packages besides those of every root. */
  readonly packages: readonly string[]
  /** Node and npm from the npm registry, by major version, where the release's own are too old; null for its own. */
  readonly registry: { readonly node: string; readonly npm: string } | null
  /**
   * Whether the release changes every day. Its packages may not fit together on some day, and a mirror that lags has a
   * Release file past its date.
   */
  readonly rolling: boolean
}

/** A Debian release that the suite and the lab are run on. */
export interface Release extends RootPlan {
  /** As docs/tested.md calls it. */
  readonly title: string
  /** Parts of the lab that are run besides those with a number. Each takes minutes, so each release has others. */
  readonly labParts: readonly string[]
}

/** In the order of their age; what `npm run matrix` runs without arguments. */
export const RELEASES: readonly Release[] = [
  {
    name: 'bookworm',
    suite: 'bookworm',
    title: 'Debian 12',
    packages: [],
    // Node 18 (https://packages.debian.org/bookworm/nodejs).
    registry: { node: '20', npm: '10' },
    rolling: false,
    labParts: ['own-interrupts', 'own-jitter'],
  },
  {
    name: 'trixie',
    suite: 'trixie',
    title: 'Debian 13',
    packages: ['nodejs', 'npm'],
    registry: null,
    rolling: false,
    labParts: ['own-host-isolate'],
  },
  {
    name: 'sid',
    suite: 'sid',
    title: 'Debian unstable',
    packages: ['nodejs', 'npm'],
    registry: null,
    rolling: true,
    labParts: ['own-host-apply'],
  },
]
