// The request id: a trusted proxy's is kept, so that one request has one id in every log; anyone else's is not.

/**
 * The id to keep, or undefined: then the plane makes a UUIDv7. At most 128 of the characters that ids are made of, so
 * that it may stand in a header, a log line and a URL as it is.
 */
export function keptRequestId(isTrusted: boolean, said: string | null): string | undefined {
  return isTrusted && said !== null && /^[A-Za-z0-9._~+/=:@-]{1,128}$/.test(said) ? said : undefined
}
