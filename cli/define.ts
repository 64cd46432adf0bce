// What `import { defineConfig } from 'fourseven'` gives a config file: the words of the config and their types.

export type { ConfigInput } from '../shared/config/config.ts'
export { defineConfig } from '../shared/config/config.ts'
export type { Duration, Size } from '../shared/config/config-values.ts'
