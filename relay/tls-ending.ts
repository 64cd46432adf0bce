// Where TLS ends at a listener: which certificate a client sees, and the handshake with it.

import { createHmac, X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls'
import type { TlsEndingConfig } from '../shared/config/parsed.ts'
import type { Reason } from '../shared/decide/reason.ts'
import { describeFault, PemFiles, readPem } from './pem-files.ts'

export class TlsEnding {
  private readonly config: TlsEndingConfig
  private readonly timeoutMs: number
  private readonly tickets: TicketRoot | undefined
  private readonly certificates: PemFiles<Certificates>
  /** Handshakes under way, by the connection that carries them. */
  private readonly waiting = new Map<Socket, (outcome: TLSSocket | Reason) => void>()

  /**
   * @param timeoutMs for a handshake
   * @param say is told in one line when changed files cannot be used
   * @param tickets where given, every ending with the same one, the same files and the same config resumes its sessions
   * @throws Error when files cannot be used at the start
   */
  constructor(config: TlsEndingConfig, timeoutMs: number, say: (problem: string) => void, tickets?: TicketRoot) {
    this.config = config
    this.timeoutMs = timeoutMs
    this.tickets = tickets
    const files = [
      ...config.certificates.flatMap(({ cert, key }) => [cert, key]),
      ...(config.clientCa === undefined ? [] : [config.clientCa]),
    ]
    this.certificates = new PemFiles(files, () => this.load(), say)
  }

  /**
   * Which protocol to agree on: of those wanted the first that the client offers. Undefined: none, as if we had never
   * heard of ALPN, which is right for a client that offers none and where nothing is wanted. Where protocols are wanted
   * and none is offered the first is given, so that the client is told with the alert that there is for it (RFC 7301
   * section 3.2).
   */
  choose(wanted: readonly string[], offered: readonly string[]): string | undefined {
    const all = [...wanted, ...this.config.alpn]
    if (offered.length === 0 || all.length === 0) return undefined
    return all.find(protocol => offered.includes(protocol)) ?? all[0]
  }

  /**
   * Carries out the handshake on a connection whose ClientHello has been put back. Resolves with the socket that clear
   * bytes come from, or with why there is none; then the connection is closed already, or about to be.
   */
  finish(socket: Socket, sni: string | undefined, protocol: string | undefined): Promise<TLSSocket | Reason> {
    return this.handOver(socket, this.serverFor(this.certificates.now, sni, protocol))
  }

  private handOver(socket: Socket, server: Server): Promise<TLSSocket | Reason> {
    return new Promise(resolve => {
      const settle = (outcome: TLSSocket | Reason) => {
        if (!this.waiting.delete(socket)) return
        socket.off('close', gone)
        resolve(outcome)
      }
      // A certificate that is refused closes the connection too, and is told a moment later.
      const gone = () => setImmediate(settle, 'client_gone')
      this.waiting.set(socket, settle)
      socket.once('close', gone)
      server.emit('connection', socket)
    })
  }

  /** The same on a connection nobody has looked into: name and protocol are read in the handshake. */
  finishUnseen(socket: Socket, protocols: readonly string[]): Promise<TLSSocket | Reason> {
    const { now } = this.certificates
    now.unseen ??= this.listenOn({
      ...now.options[0]!,
      ALPNProtocols: [...protocols],
      SNICallback: (name, done) => done(null, this.contextFor(now, name)),
    })
    return this.handOver(socket, now.unseen)
  }

  close(): void {
    this.certificates.close()
  }

  private load(): Certificates {
    const { certificates, clientCa } = this.config
    const ca = clientCa === undefined ? undefined : readPem(clientCa)
    if (ca !== undefined) checkCertificate(clientCa!, ca)
    const byName = new Map<string, number>()
    const options = certificates.map(({ cert, key }, index): TlsOptions => {
      const pem = readPem(cert)
      for (const name of namesOf(checkCertificate(cert, pem))) if (!byName.has(name)) byName.set(name, index)
      return {
        cert: pem,
        key: readPem(key),
        ...(ca === undefined ? {} : { ca, requestCert: true }),
        rejectUnauthorized: this.config.needsClientCertificate,
        handshakeTimeout: this.timeoutMs,
      }
    })
    const loaded: Certificates = { byName, options, servers: new Map(), contexts: [], unseen: undefined }
    // Now, and not with the first client: a key that does not belong to its certificate is found here.
    for (const [index, { cert, key }] of certificates.entries()) {
      try {
        this.serverAt(loaded, index, undefined)
      } catch (error) {
        throw new Error(`${cert} and ${key} cannot be used together: ${describeFault(error)}`)
      }
    }
    return loaded
  }

  private serverFor(certificates: Certificates, sni: string | undefined, protocol: string | undefined): Server {
    return this.serverAt(certificates, placeFor(certificates, sni), protocol)
  }

  private contextFor(certificates: Certificates, sni: string): SecureContext {
    const place = placeFor(certificates, sni.toLowerCase())
    const known = certificates.contexts[place]
    if (known !== undefined) return known
    const context = createSecureContext(certificates.options[place]!)
    certificates.contexts[place] = context
    return context
  }

  /** Never listens: it is handed connections. What is agreed on by ALPN is a server's own, so each protocol has one. */
  private serverAt(certificates: Certificates, index: number, protocol: string | undefined): Server {
    const key = protocol === undefined ? `${index}` : `${index} ${protocol}`
    const known = certificates.servers.get(key)
    if (known !== undefined) return known
    const options = certificates.options[index]!
    const server = this.listenOn({
      ...options,
      ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
      ...(this.tickets === undefined ? {} : { ticketKeys: ticketKeys(this.tickets, options, protocol) }),
    })
    certificates.servers.set(key, server)
    return server
  }

  private listenOn(options: TlsOptions): Server {
    const server = createServer(options)
    server.on('secureConnection', socket => this.settle(socket, this.isWelcome(socket) ? socket : 'client_tls_error'))
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => this.settle(socket, whyFailed(error, socket)))
    return server
  }

  /** A client that need not show a certificate may not show one either that nobody vouches for. */
  private isWelcome(socket: TLSSocket): boolean {
    if (this.config.clientCa === undefined || socket.authorized) return true
    return socket.getPeerX509Certificate() === undefined
  }

  private settle(socket: TLSSocket, outcome: TLSSocket | Reason): void {
    // Node has no public way from a TLS socket to the connection that was handed in.
    const { _parent: carrier } = socket as TLSSocket & { readonly _parent: Socket }
    if (typeof outcome === 'string') socket.destroy()
    this.waiting.get(carrier)?.(outcome)
  }
}

/** Sessions of one relay: a secret of its own, which its threads share. */
export interface TicketRoot {
  readonly listener: string
  readonly secret: Uint8Array
}

/**
 * Node takes 48 bytes. They are other ones for every listener, certificate, key and authority: a session that began where
 * no client certificate is asked for must not go on where one is.
 */
function ticketKeys({ listener, secret }: TicketRoot, options: TlsOptions, protocol: string | undefined): Buffer {
  return createHmac('sha384', secret)
    .update(JSON.stringify([listener, options, protocol]))
    .digest()
}

interface Certificates {
  /** Whole names and wildcards, to the place of the first certificate that has them. */
  readonly byName: ReadonlyMap<string, number>
  readonly options: readonly TlsOptions[]
  /** By place and protocol; made when first asked for. */
  readonly servers: Map<string, Server>
  /** By place; made when first asked for. */
  readonly contexts: SecureContext[]
  /** For connections nobody has looked into. */
  unseen: Server | undefined
}

/** A whole name before a wildcard, which stands for one label (RFC 6125 section 6.4.3); else the first certificate. */
function placeFor({ byName }: Certificates, sni: string | undefined): number {
  if (sni === undefined) return 0
  return byName.get(sni) ?? byName.get(`*${sni.slice(sni.indexOf('.'))}`) ?? 0
}

function whyFailed(error: NodeJS.ErrnoException, socket: TLSSocket): Reason {
  if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'peek_timeout'
  // Node closes on a certificate that does not verify and says no more than that the connection is gone.
  const isRefused = socket.authorizationError != null
  return error.code === 'ECONNRESET' && !isRefused ? 'client_gone' : 'client_tls_error'
}

function checkCertificate(file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw new Error(`${file} holds no certificate in PEM: ${describeFault(error)}`)
  }
}

/** DNS names of the certificate, lower case; its common name only when it has none (RFC 6125 section 6.4.4). */
export function namesOf(certificate: X509Certificate): string[] {
  const names = [...(certificate.subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^",]+)/g)].map(([, name]) => name!)
  const common = /^CN=(.+)$/m.exec(certificate.subject)?.[1]
  return (names.length > 0 || common === undefined ? names : [common]).map(name => name.toLowerCase())
}
