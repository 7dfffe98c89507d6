// Why TLS with a peer did not come about, in words: OpenSSL's and Node's codes as half a sentence for an error's text.
// Pure.

const words: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed and not among the trusted authorities",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is from an authority that is not trusted here",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is from an authority that is not trusted here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is from an authority that is not trusted here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is from an authority that is not trusted here",
  CERT_SIGNATURE_FAILURE: "its certificate is not signed by the authority that it names",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  INVALID_PURPOSE: "its certificate is not for this purpose",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "it does not speak TLS",
  ERR_SSL_HTTP_REQUEST: "it does not speak TLS",
  ERR_SSL_NO_APPLICATION_PROTOCOL: "it does not offer HTTP/2 over TLS (ALPN h2)",
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: "it does not take HTTP/2 over TLS (ALPN h2)",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "it offers no TLS version from 1.2 on",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "it takes no TLS version from 1.2 on",
  ERR_SSL_NO_SHARED_CIPHER: "no cipher suite is common",
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: "it refused the handshake",
  ERR_SSL_SSL_TLS_ALERT_HANDSHAKE_FAILURE: "it refused the handshake",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "it showed no certificate",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: "it demands a client certificate",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "it does not trust our certificate's authority",
  ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: "it found our certificate's signature wrong",
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: "it refused our certificate",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: "our certificate has expired",
  ERR_SSL_SSL_TLS_ALERT_CERTIFICATE_EXPIRED: "our certificate has expired",
};

/** Half a sentence about an error of TLS, with its code; for other errors their own message. */
export function tlsTrouble(error: Error): string {
  const { code = "", reason } = error as Error & { code?: string; reason?: string };
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `its certificate is for another name: ${reason} (${code})`;
  const known = words[code];
  if (known !== undefined) return `${known} (${code})`;
  if (code.startsWith("ERR_SSL_")) return `${reason ?? "TLS failed"} (${code})`;
  if (/disconnected before secure TLS/.test(error.message)) return `it closed during the TLS handshake (${code})`;
  // OpenSSL's own messages are numbers and names of routines around one phrase.
  return /\berror:[0-9A-F]{8}:[^:]*:[^:]*:([^:\n]+)/.exec(error.message)?.[1] ?? error.message;
}

/** The same for a code alone, as `authorizationError` has it. */
export function tlsTroubleOfCode(code: string): string {
  const known = words[code];
  return known === undefined ? code : `${known} (${code})`;
}
