// Closed for maintenance: everybody is told when to come back, and the office gets through to see whether it works.

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    web: {
      kind: 'edge',
      // For what we answer ourselves because something is wrong. A class counts where its status has no page.
      errorPages: {
        '404': { body: '<!doctype html><title>Not here</title><p>There is no such site.' },
        '5xx': { body: '<!doctype html><title>Sorry</title><p>That did not work. Tell us {request.id}.' },
      },
    },
  },
  pools: { app: { endpoints: ['${APP:-https://app.example.com}'] } },
  routes: [
    {
      name: 'site',
      hostnames: ['www.example.com'],
      rules: [
        // More conditions win over fewer: who comes from here never meets the rule below.
        { name: 'office', match: { address: ['198.51.100.0/24', '2001:db8:51::/48'] }, pool: 'app' },
        {
          name: 'closed',
          reply: {
            status: 503,
            contentType: 'text/html; charset=utf-8',
            body: '<!doctype html><title>Back soon</title><p>We are back within the hour.',
            // Search engines and clients that honour it come back then, and not before.
            headers: { 'retry-after': '3600', 'cache-control': 'no-store' },
          },
        },
      ],
    },
  ],
})
