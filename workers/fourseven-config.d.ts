// The parsed config, the edge's part of it and packed to a text, as the build puts it into the bundle: an alias in wrangler.toml, a plugin of
// esbuild in `cli/edge.ts`.

declare module 'fourseven:config' {
  const packedConfig: string
  export default packedConfig
}
