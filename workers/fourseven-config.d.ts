// The parsed config, the edge's part of it, as the build puts it into the bundle: an alias in wrangler.toml, a plugin of
// esbuild in `cli/edge.ts`.

declare module 'fourseven:config' {
  const config: import('../shared/config/parse.ts').Config
  export default config
}
