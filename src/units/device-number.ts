/** Major and minor number of a device (makedev(3)). @param device as stat(2) gives it */
export function splitDeviceNumber(device: number): { readonly major: number; readonly minor: number } {
  return {
    major: ((device >>> 8) & 0xfff) | (Math.floor(device / 2 ** 32) & 0xfffff000),
    minor: (device & 0xff) | ((device >>> 12) & 0xfff00),
  }
}
