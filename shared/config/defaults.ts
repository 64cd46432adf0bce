// Every default and every bound of the config in one place, each with where it comes from.

export const defaults = {
  /** A client of a case: of a block that is kept for documentation (RFC 5737). */
  caseFrom: '192.0.2.1:50000',
  /** As in Gateway API: temporary unless said otherwise. */
  redirectStatus: 302,
  replyContentType: 'text/plain; charset=utf-8',

  splitCookie: 'fs_id',
  affinityCookie: 'fs_endpoint',
  /** About what Cloudflare's `__cflb` cookie has (23 h): a pin for a working day, not for a user's life. */
  affinityMaxAge: '1d',

  /** One more try: Envoy's `num_retries: 1` and Cloudflare's zero-downtime failover. */
  httpAttempts: 2,
  /** Nothing was processed: no connection, or an answer that a proxy in between made. */
  retryOn: ['connect-failure', '502', '503'],
  retryMaxBuffer: '64KiB',
  /** HAProxy's `retries 3` counts the tries after the first; here the first counts too. */
  flowAttempts: 3,

  mirrorPercent: 100,
  /** Cloudflare's free plan. */
  subrequests: 50,

  requestTimeout: '30s',
  /** Envoy's default route timeout. */
  tryTimeout: '15s',
  connectTimeout: '2s',
  /** Envoy's TCP proxy `idle_timeout`. */
  idleTimeout: '1h',

  /** The CORS-safelisted methods of the Fetch standard; Gateway API and the Fetch standard both say 5 s. */
  corsMethods: ['GET', 'HEAD', 'POST'],
  corsMaxAge: '5s',
  errorPageType: 'text/html; charset=utf-8',
  /** Cloudflare's own bound on URLs; nginx's and Envoy's headers stand between 32 and 60 KiB, Envoy's fields at 100. */
  maxUrl: '16KiB',
  maxHeaders: 128,
  maxHeaderBytes: '32KiB',
  sample: 1,

  /** Enough for pages, scripts and pictures; far from what an isolate of 128 MB can hold beside other requests. */
  cacheMaxBody: '8MiB',
  /** Of all rules together. Enough for a few thousand pages; what a relay has beside its connections on a small machine. */
  cacheMemory: '64MiB',
  /** Cloudflare's and Akamai's name for it. */
  tagHeader: 'cache-tag',
  /** What Cloudflare and nginx users compress; fonts other than SVG and pictures are compressed in themselves. */
  compressTypes: [
    'text/*',
    'application/json',
    'application/javascript',
    'application/xml',
    'application/manifest+json',
    'application/ld+json',
    'application/rss+xml',
    'application/atom+xml',
    'application/xhtml+xml',
    'application/wasm',
    'image/svg+xml',
  ],
  /** Below this the headers of a packet weigh more than what is saved. */
  compressMinSize: '1KiB',

  maxConnections: 10_000,
  /** One for each core, as HAProxy's `nbthread` and Envoy's `--concurrency` have it. */
  threads: 'auto',
  /** Any number would do, as long as it stays: without one the kernel draws it anew at each load. */
  kernelSeed: 47,
  /** More than half of the 28,232 ports that Linux gives out by default (`net.ipv4.ip_local_port_range`): one for each session. */
  maxSessions: 16_384,
  sessionKey: 'flow',
  /** Envoy's UDP proxy `idle_timeout`. */
  sessionIdle: '60s',
  queueMax: 100,
  /** HAProxy's `timeout queue` follows `timeout connect`, often 5 s. */
  queueTimeout: '5s',
  peekTimeout: '3s',
  /** HAProxy's `timeout http-request`, as its manual advises it against slow headers. */
  headerTimeout: '10s',
  /** nginx's `keepalive_timeout`. */
  keepAliveTimeout: '75s',
  /** One TLS record, and more than any ClientHello with a post-quantum key share (some 2 KB) needs. */
  maxPeek: '16KiB',
  balance: 'round-robin',
  endpointWeight: 1,
  priority: 0,
  /** Envoy's `healthy_panic_threshold` and overprovisioning factor. */
  panicPercent: 50,
  overprovisioning: 1.4,

  /** Envoy's outlier detection: `consecutive_5xx`, `success_rate_stdev_factor`, `base_ejection_time`, `max_ejection_time`, `max_ejection_percent`. */
  consecutiveFailures: 5,
  successRateFactor: 1.9,
  baseEjection: '30s',
  maxEjection: '300s',
  maxEjectedPercent: 10,

  /** HAProxy's `inter`, `fall` and `rise`; the path is that of Kubernetes. */
  probePath: '/healthz',
  probeStatus: '200-399',
  probeInterval: '2s',
  probeTimeout: '1s',
  probeIntervalAtEdge: '15s',
  probeTimeoutAtEdge: '5s',
  fall: 3,
  rise: 2,

  /** Envoy's `retry_budget.budget_percent`; the floor per second is each plane's own. */
  retryBudgetPercent: 20,
} as const

/**
 * Characters. A longer path, header, cookie or query value is taken by no regex: a pattern that needs a square of this in
 * steps takes some hundredths of a second, and URLs are rarely longer (Internet Explorer's bound was 2,083).
 */
export const longestRegexText = 2_048

/** Inclusive. */
export const bounds = {
  variantWeight: [0, 1_000_000],
  endpointWeight: [0, 1_000],
  /** Envoy has 0 to 128. */
  priority: [0, 128],
  attempts: [1, 10],
  /** The edge keeps bodies in an isolate of 128 MB that other requests share. */
  maxBufferBytes: [0, 10 * 1_024 ** 2],
  /** More overflows a 32-bit timer, which then fires at once: 2^31 - 1 ms, 24.8 days. */
  timeoutMs: [1, 2_147_483_647],
  /** Browsers cap a cookie's age at 400 days (RFC 6265bis). */
  cookieAgeMs: [1_000, 400 * 86_400_000],
  /** Firefox keeps a preflight for a day at most, Chromium for two hours. */
  corsAgeMs: [0, 86_400_000],
  bodyBytes: [0, 1_024 ** 4],
  /** The Cache API takes 512 MB. */
  cacheBodyBytes: [0, 512 * 1_024 ** 2],
  cacheMemoryBytes: [1_024 ** 2, 256 * 1_024 ** 3],
  /** Of files; below this few pages would stay. */
  cacheDiskBytes: [16 * 1_024 ** 2, 16 * 1_024 ** 4],
  cacheMs: [0, 365 * 86_400_000],
  /** workerd itself answers 414 beyond 64 KiB. */
  urlBytes: [64, 65_536],
  headers: [8, 10_000],
  headerBytes: [1_024, 1_024 ** 2],
  sample: [0, 1],
  port: [1, 65_535],
  /** What a Worker can answer: 1xx are the runtime's. */
  replyStatus: [200, 599],
  maxConnections: [1, 1_000_000],
  /** No more ports are there. */
  maxSessions: [1, 64_511],
  sessionDatagrams: [1, 1_000_000],
  sessionAnswers: [0, 1_000_000],
  /** RFC 9000 section 17.2: a connection id has at most 20 bytes in version 1. */
  quicIdLength: [1, 20],
  threads: [1, 64],
  acceptRate: [1, 1_000_000],
  queueMax: [1, 100_000],
  /** What nft 1.0.6 reads from JSON and text alike. */
  kernelSeed: [0, 2_147_483_647],
  /** A shorter ClientHello than 512 bytes would be refused that every browser pads to. Each connection may hold so much. */
  peekBytes: [512, 64 * 1_024],
  limit: [1, 1_000_000],
  percent: [0, 100],
  /** Cloudflare's paid plan. */
  subrequests: [1, 10_000],
  overprovisioning: [1, 10],
  /** 1 could not place anything beyond a perfect spread (Mirrokni et al., "Consistent Hashing with Bounded Loads", 2016). */
  boundedLoad: [1.01, 10],
  consecutiveFailures: [0, 1_000],
  successRateFactor: [0, 10],
  perSecond: [0, 1_000_000],
  probeStatus: [100, 599],
  probesInRow: [1, 100],
  /** More often would be a load of its own. */
  probeIntervalMs: [100, 3_600_000],
  probeTimeoutMs: [10, 60_000],
  /** Interval and timeout at the edge. */
  probeAtEdgeMs: [1_000, 3_600_000],
  epoch: [0, 1_000_000_000],
} as const satisfies Readonly<Record<string, readonly [number, number]>>
