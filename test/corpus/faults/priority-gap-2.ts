// from 1 on

export default {
  listeners: {
    web: {
      kind: 'edge',
      hostnames: ['shop.example.com'],
    },
  },
  pools: {
    app: {
      endpoints: [
        {
          address: 'https://a.example.com',
          priority: 1,
        },
        {
          address: 'https://b.example.com',
          priority: 2,
        },
      ],
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
