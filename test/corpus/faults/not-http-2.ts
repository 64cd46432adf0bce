// an HTTP route in front of Redis

export default {
  listeners: {
    web: {
      kind: 'edge',
      hostnames: ['shop.example.com'],
    },
  },
  pools: {
    app: {
      endpoints: ['http://cache.example.com:6379'],
    },
    api: {
      endpoints: ['https://api.example.com'],
    },
  },
  routes: [
    {
      name: 'shop',
      rules: [
        {
          name: 'api',
          match: {
            path: '/api',
          },
          pool: 'api',
        },
        {
          name: 'all',
          pool: 'app',
        },
      ],
    },
  ],
}
