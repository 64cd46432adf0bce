import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' } },
  pools: { app: { endpoints: ['${APP:-https://app.example.com}'] } },
  routes: [
    { name: 'app', hostnames: ['app.example.com'], pool: 'app', compress: { types: ['text/*', 'application/json'] } },
  ],
})
