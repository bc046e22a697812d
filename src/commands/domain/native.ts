export async function domainNative(_f: string, _o: object): Promise<void> {}
