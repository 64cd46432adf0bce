// alternatives that overlap

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
            header: {
              'x-id': {
                regex: '(\\w|\\d)+-x',
              },
            },
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
