import { chmodSync, lchownSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Who is not root. */
const OTHER_USER = 64055

/** A way by links to a configuration, whose file and directory are root's alone. */
export interface Way {
  readonly name: string
  /** Makes it. `safe` is root's directory with the configuration, `theirs` another user's, `tmp` sticky and everybody's. */
  readonly make: (place: {
    readonly base: string
    readonly safe: string
    readonly theirs: string
    readonly tmp: string
  }) => string
  /** Whether nobody but root can make it lead elsewhere. */
  readonly isRoots: boolean
}

/** @returns its path */
function link(path: string, target: string, owner = 0): string {
  symlinkSync(target, path)
  lchownSync(path, owner, owner)
  return path
}

export const WAYS: readonly Way[] = [
  { name: 'no link', isRoots: true, make: ({ safe }) => safe },
  { name: "root's link", isRoots: true, make: ({ base, safe }) => link(join(base, 'l'), safe) },
  {
    name: "root's relative links, one behind the other",
    isRoots: true,
    make: ({ base }) => {
      link(join(base, 'm'), 'theirs/../safe/../m2')
      link(join(base, 'm2'), './/safe')
      chmodSync(join(base, 'theirs'), 0o755)
      lchownSync(join(base, 'theirs'), 0, 0)
      return link(join(base, 'l'), 'm')
    },
  },
  {
    name: "root's link in a sticky directory",
    isRoots: true,
    make: ({ safe, tmp }) => link(join(tmp, 'l'), safe),
  },
  {
    name: "another user's link in a sticky directory",
    isRoots: false,
    make: ({ safe, tmp }) => link(join(tmp, 'l'), safe, OTHER_USER),
  },
  {
    name: "root's link to another user's link",
    isRoots: false,
    make: ({ base, safe, tmp }) => link(join(base, 'l'), link(join(tmp, 'l'), safe, OTHER_USER)),
  },
  {
    name: "root's link to root's link in another user's directory",
    isRoots: false,
    make: ({ base, safe, theirs }) => link(join(base, 'l'), link(join(theirs, 'l'), safe)),
  },
  {
    name: "root's link to root's directory in another user's",
    isRoots: false,
    make: ({ base, theirs }) => {
      mkdirSync(join(theirs, 'safe'), { mode: 0o755 })
      return link(join(base, 'l'), join(theirs, 'safe'))
    },
  },
  {
    name: "root's link through another user's directory and back",
    isRoots: false,
    make: ({ base }) => link(join(base, 'l'), 'theirs/../safe'),
  },
]

/** Makes the way. @returns the directory by it, in which the configuration is to be */
export function makeWay({ make }: Way, base: string): string {
  const [safe, theirs, tmp] = [join(base, 'safe'), join(base, 'theirs'), join(base, 'tmp')]
  for (const directory of [safe, theirs, tmp]) mkdirSync(directory, { mode: 0o755 })
  lchownSync(theirs, OTHER_USER, OTHER_USER)
  chmodSync(tmp, 0o1777)
  return make({ base, safe, theirs, tmp })
}
