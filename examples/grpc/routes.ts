import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    // HTTP/2 in the clear. With `certificates` clients agree on it in their TLS.
    calls: {
      kind: 'http',
      address: '127.0.0.1:50051',
      // Clients that stay connected come back now and then, and so to relays that were added.
      maxConnectionAge: '30m',
    },
  },
  pools: {
    cart: {
      endpoints: ['${CART_A:-grpc://127.0.0.1:50061}', '${CART_B:-grpc://127.0.0.1:50062}'],
      probe: { kind: 'grpc', service: 'shop.Cart' },
      balance: 'least-requests',
    },
    catalog: { endpoints: ['${CATALOG:-grpc://127.0.0.1:50071}'], probe: { kind: 'grpc' } },
    beta: { endpoints: ['${CATALOG_BETA:-grpc://127.0.0.1:50072}'], probe: { kind: 'grpc' } },
  },
  routes: [
    {
      name: 'calls',
      listener: 'calls',
      rules: [
        // No call is let run longer than its client waits, nor longer than this.
        { name: 'cart', match: { grpc: { service: 'shop.Cart' } }, pool: 'cart', timeouts: { call: '10s' } },
        // Only reads are split; a client stays with its variant by the id it sends along.
        {
          name: 'reads',
          match: { grpc: { service: 'shop.Catalog', method: { regex: 'Get.*|List.*' } } },
          variants: [
            { name: 'stable', weight: 95, pool: 'catalog' },
            { name: 'beta', weight: 5, pool: 'beta' },
          ],
          split: { by: { header: 'x-client-id' } },
        },
        { name: 'catalog', match: { grpc: { service: 'shop.Catalog' } }, pool: 'catalog' },
      ],
    },
  ],
})
