/**
 * One thing that the host uses a PCI device for, or that cannot be looked into and so counts as a use. Plain data, so that
 * a captured host can have it in a file; plan/nics/uses.ts has the words.
 */
export type Use =
  /** Not a network function; `classCode` says what it is. */
  | { readonly kind: 'not-network'; readonly classCode: number }
  /** A block device below it. `use` is a mount point, `swap` or what is made of it; null when nothing is seen. */
  | { readonly kind: 'disk'; readonly name: string; readonly use: string | null }
  /** Virtual functions that are on. */
  | { readonly kind: 'vfs'; readonly count: number; readonly interface: string | null }
  /** An interface that stands for a port of the card's switch; `port` as the kernel names it: `pf0vf1`. */
  | { readonly kind: 'representor'; readonly interface: string; readonly port: string }
  /** Another PCI function below it, which goes with it: it is a bridge, or a controller with a bus of its own (Intel VMD). */
  | { readonly kind: 'bus'; readonly address: string }
  /** An interface of a device further down: a subfunction, a USB adapter. */
  | { readonly kind: 'beneath'; readonly interface: string }
  /** A device above an interface: it is part of a bridge or bond, or carries a VLAN or macvtap. */
  | { readonly kind: 'upper'; readonly interface: string; readonly upper: string; readonly isMaster: boolean }
  /** The same in another network namespace. */
  | { readonly kind: 'upper-elsewhere'; readonly interface: string; readonly upper: string }
  | { readonly kind: 'address'; readonly interface: string; readonly address: string }
  | { readonly kind: 'route'; readonly interface: string; readonly route: string }
  /** An XDP program is attached: a switch may take its packets (AF_XDP). */
  | { readonly kind: 'xdp'; readonly interface: string }
  /** A vDPA device that is made of it, for a VM or a container; `name` as the vdpa bus has it. */
  | { readonly kind: 'vdpa'; readonly name: string }
  /** A process that has its RDMA verbs open (`node`: `uverbs0`), as a switch with DPDK's mlx5 driver; `holder` names it. */
  | { readonly kind: 'verbs'; readonly node: string; readonly holder: string }
  /** A driver of the host has it, and this process sees no interface: another network namespace or a program may have it. */
  | { readonly kind: 'unseen'; readonly driver: string }
  /** Something that cannot be looked into; `what` says what, and why. */
  | { readonly kind: 'hidden'; readonly what: string }

/** Says what the host uses a PCI device for; nothing when it is shown to use it for nothing. */
export type UseOf = (device: { readonly address: string }) => readonly Use[]
