// one try outlasts the default

export default {
  listeners: {
    web: {
      kind: 'edge',
      hostnames: ['shop.example.com'],
    },
  },
  pools: {
    app: {
      endpoints: ['https://app-a.example.com', 'https://app-b.example.com'],
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
          timeouts: {
            try: '60s',
          },
        },
        {
          name: 'all',
          pool: 'app',
        },
      ],
    },
  ],
}
