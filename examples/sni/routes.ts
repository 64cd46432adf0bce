import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    // No certificates here: TLS passes through, and clients see those of the endpoints.
    door: { kind: 'tls', address: '127.0.0.1:8443', peekTimeout: '5s' },
  },
  pools: {
    shop: { endpoints: ['${SHOP_A:-tcp://127.0.0.1:9443}', '${SHOP_B:-tcp://127.0.0.1:9444}'] },
    blogs: { endpoints: ['${BLOGS:-tcp://127.0.0.1:9445}'] },
    grpc: { endpoints: ['${GRPC:-tcp://127.0.0.1:9446}'] },
  },
  routes: [
    {
      name: 'shop',
      listener: 'door',
      rules: [
        { name: 'web', match: { sni: 'shop.example.com' }, pool: 'shop' },
        // The same name for clients that offer HTTP/2 and come from inside.
        { name: 'inside', match: { sni: 'shop.example.com', alpn: 'h2', address: '10.0.0.0/8' }, pool: 'grpc' },
      ],
    },
    // Every name below blog.example.com, and not blog.example.com itself.
    { name: 'blogs', listener: 'door', match: { sni: '*.blog.example.com' }, pool: 'blogs' },
  ],
})
