// The four real servers of a journey, private to it: Consul, NATS with JetStream, Postgres and Jaeger on loopback, free
// ports and folders of their own. Guarantees: `findPrograms` names everything that is missing in one sentence before
// anything starts, and after `remove` nothing of them is left.

import { type ConsulServer, consulVersion, startConsulServer } from "../testing/consul-server.ts";
import { checkJaeger, type JaegerServer, startJaeger } from "../testing/jaeger-server.ts";
import { type NatsServer, natsVersion, startNats } from "../testing/nats-server.ts";
import { findPostgres, PostgresServer } from "../testing/postgres-server.ts";
import { findGrpcurl } from "../testing/tools.ts";

export interface Servers {
  readonly consul: ConsulServer;
  readonly nats: NatsServer;
  readonly postgres: PostgresServer;
  readonly jaeger: JaegerServer;
  /** An empty database on `postgres`. */
  readonly databaseUrl: string;
  /** As `consul 1.21.0`. */
  readonly versions: { readonly registry: string; readonly events: string; readonly readModel: string };
  /** What makes `ferry` use them. */
  readonly env: Readonly<Record<string, string>>;
}

/** Keeps what ends a thing, for the end of everything; throws when that has begun, so that nothing more is started. */
export type Cleanup = (end: () => Promise<unknown>) => void;

/** Throws one sentence that names every program that is missing. */
export function findPrograms(): void {
  const missing: string[] = [];
  for (const look of [consulVersion, natsVersion, findPostgres, checkJaeger, findGrpcurl]) {
    try {
      look();
    } catch (error) {
      // Behind the semicolon stands what to do, which is said once.
      missing.push(String(error instanceof Error ? error.message : error).split(";")[0]!);
    }
  }
  if (missing.length === 0) return;
  throw new Error(`${missing.join(", ")}; eval "$(scripts/servers.sh)" gets the servers, .ci/run builds grpcurl`);
}

/** Starts all at once. */
export async function startServers(cleanup: Cleanup): Promise<Servers> {
  const owned = <T extends { remove(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    // One that is still starting is waited for and then ended.
    const started = starting.catch(() => undefined);
    cleanup(async () => (await started)?.remove());
    return starting;
  };
  const starts = [
    owned(startConsulServer()),
    owned(startNats()),
    owned(PostgresServer.start()),
    owned(startJaeger()),
  ] as const;
  const [consul, nats, postgres, jaeger] = await Promise.all(starts);
  const databaseUrl = await postgres.createDatabase();
  return {
    ...{ consul, nats, postgres, jaeger, databaseUrl },
    versions: {
      registry: `consul ${consulVersion()}`,
      events: `nats ${natsVersion()}`,
      readModel: `postgres ${await postgres.version()}`,
    },
    env: {
      FERRY_REGISTRY: "consul",
      CONSUL_HTTP_ADDR: consul.address,
      FERRY_EVENTS: "nats",
      NATS_URL: nats.url,
      // The disk of a test machine is smaller than the default.
      FERRY_EVENTS_MAX_BYTES: String(256 * 1024 ** 2),
      FERRY_READ_MODEL: "postgres",
      DATABASE_URL: databaseUrl,
      OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.otlp,
    },
  };
}
