// Where the NATS servers are and as whom we come: NATS_URL taken apart. The NATS client knows host:port only and takes
// user and password beside it. Pure. Guarantees: `shown` and error messages never carry a secret.

export interface NatsAddress {
  /** Each as host:port. */
  readonly servers: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly isTls: boolean;
  /** For messages. */
  readonly shown: string;
}

const form = "nats://host:port or tls://user:password@host:port, several with commas";

/** `nats://a:4222,nats://b:4222`; the first part with a user speaks for all. Throws an Error without the text. */
export function parseNatsUrl(text: string): NatsAddress {
  const urls = text.split(",").map((part) => parsePart(part.trim()));
  const servers = urls.map(({ hostname, port }) => `${hostname}:${port || "4222"}`);
  const schemes = new Set(urls.map(({ protocol }) => protocol));
  if (schemes.size > 1) throw new Error(`NATS_URL: nats:// and tls:// are mixed; expected ${form}`);
  const withUser = urls.find(({ username }) => username !== "");
  const shown = `${[...schemes][0]}//${servers.join(",")}`;
  return { servers, isTls: schemes.has("tls:"), shown, ...credentialsOf(withUser) };
}

function parsePart(part: string): URL {
  const url = URL.parse(part.includes("://") ? part : `nats://${part}`);
  const isKnown = url !== null && ["nats:", "tls:"].includes(url.protocol) && url.hostname !== "";
  const rest = isKnown ? url.pathname + url.search + url.hash : "";
  // Otherwise a part of the password would count as the port, and be shown.
  if (rest.includes("@")) throw new Error("NATS_URL: in a password @ , / ? and # are written %40 %2C %2F %3F and %23");
  if (!isKnown || !["", "/"].includes(rest)) throw new Error(`NATS_URL: expected ${form}`);
  return url;
}

function credentialsOf(url: URL | undefined): { user?: string; pass?: string; token?: string } {
  if (url === undefined) return {};
  const user = decoded(url.username);
  return url.password === "" ? { token: user } : { user, pass: decoded(url.password) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error("NATS_URL: in a user or password % is written %25");
  }
}
