// Two sites behind one Worker: the host chooses, and a host that nobody serves is answered 404.

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' } },
  pools: {
    shop: { endpoints: ['${SHOP:-https://origin.shop.example.com}'] },
    blogs: { endpoints: ['${BLOGS:-https://origin.blog.example.com}'] },
  },
  routes: [
    { name: 'shop', hostnames: ['shop.example.com'], pool: 'shop' },
    // The asterisk takes one or more labels: `anna.blog.example.com`, never `blog.example.com` itself.
    { name: 'blogs', hostnames: ['*.blog.example.com'], pool: 'blogs' },
    // A hostname without asterisk comes before every one with.
    { name: 'moved', hostnames: ['old.blog.example.com'], redirect: { host: 'new.blog.example.com', status: 308 } },
  ],
})
