import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' }, db: { kind: 'tcp', address: '127.0.0.1:6432' } },
  pools: { app: { endpoints: ['${APP:-https://app.example.com}'] }, db: { endpoints: ['${DB:-tcp://10.0.0.5:5432}'] } },
  routes: [
    { name: 'app', pool: 'app' },
    { name: 'db', listener: 'db', pool: 'db' },
  ],
})
