// A config as an operator writes it, with the package's name: tests check it, and tsc checks its types.

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' } },
  pools: { app: { endpoints: ['${APP:-https://app.example.com}'] } },
  routes: [{ name: 'app', pool: 'app' }],
})
