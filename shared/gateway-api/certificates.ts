// Where Secrets and ConfigMaps lie as files: `namespace_name.crt` and `.key` in one folder, or `name.crt` and `.key`;
// authorities as `namespace_name.ca.crt` or `name.ca.crt`.

export interface CertificateFiles {
  /** Undefined when one of the two is not there. */
  pair(namespace: string, name: string): { readonly cert: string; readonly key: string } | undefined
  authority(namespace: string, name: string): string | undefined
  /** Which file was looked for, in words. */
  wanted(namespace: string, name: string, ending: string): string
}

/** @param folder as it is to stand in the config; undefined when none was named. @param files the names in it */
export function certificateFiles(folder: string | undefined, files: ReadonlySet<string>): CertificateFiles {
  const pathOf = (file: string): string => `${folder?.replace(/\/+$/, '')}/${file}`
  const stems = (namespace: string, name: string) => [`${namespace}_${name}`, name]
  return {
    pair(namespace, name) {
      const stem = stems(namespace, name).find(each => files.has(`${each}.crt`) && files.has(`${each}.key`))
      return stem === undefined ? undefined : { cert: pathOf(`${stem}.crt`), key: pathOf(`${stem}.key`) }
    },
    authority(namespace, name) {
      const stem = stems(namespace, name).find(each => files.has(`${each}.ca.crt`))
      return stem === undefined ? undefined : pathOf(`${stem}.ca.crt`)
    },
    wanted(namespace, name, ending) {
      const names = stems(namespace, name).map(stem => `${stem}.${ending}`)
      return folder === undefined ? `${names.join(' or ')} in a folder` : `${names.join(' or ')} in ${folder}`
    },
  }
}
