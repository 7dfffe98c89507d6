// A small mesh for incidents: a gateway, three instances of quote-query with a sidecar each, and a quote to ask for.
// Every process runs on loopback, in a home of its own, and is started here and by nobody else: what is killed stays
// dead until an incident starts it again.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { QuoteCommandService } from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { QuoteQueryService } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { eventually } from "../testing/eventually.ts";
import { ferry, Running, root } from "../testing/ferry.ts";
import { GrpcClient } from "../testing/grpc-client.ts";
import { makeHome, type TestHome } from "../testing/home.ts";
import { QueryInstance } from "./query-instance.ts";

const readyWithinMs = 30_000;
const ids = ["quote-query-1", "quote-query-2", "quote-query-3"];

/** What someone would set for reads that are answered in milliseconds; all else is the default. */
const settings = { ferry_try_timeout: "1s" };

const entries = [
  { Kind: "proxy-defaults", Name: "global", Config: { protocol: "grpc" } },
  { Kind: "service-defaults", Name: "quoter", Protocol: "grpc" },
  { Kind: "service-defaults", Name: "quote-query", Protocol: "grpc", Meta: settings },
  {
    Kind: "service-router",
    Name: "quoter",
    Routes: [
      {
        Match: { HTTP: { PathPrefix: "/quoter.query.v1." } },
        Destination: { Service: "quote-query" },
      },
    ],
  },
];

export class QueryMesh {
  readonly instances: readonly QueryInstance[];
  /** `host:port`. */
  readonly gateway: string;
  readonly quoteId: string;
  readonly #admin: string;
  readonly #gatewayProcess: Running;
  readonly #home: TestHome;
  readonly #remove: () => void;

  private constructor(parts: {
    home: TestHome;
    instances: readonly QueryInstance[];
    gateway: Running;
    ready: { outbound: string; admin: string };
    quoteId: string;
    remove: () => void;
  }) {
    this.#home = parts.home;
    this.#remove = parts.remove;
    this.instances = parts.instances;
    this.#gatewayProcess = parts.gateway;
    this.gateway = parts.ready.outbound;
    this.#admin = parts.ready.admin;
    this.quoteId = parts.quoteId;
  }

  static async start(): Promise<QueryMesh> {
    const home = makeHome();
    // Whatever ends this process ends what it started.
    const remove = () => home.remove();
    process.once("exit", remove);
    try {
      const meshConfig = await writeMeshConfig(home.path);
      const quoteId = await writeQuote(home.path);
      const params = { home: home.path, meshConfig };
      const instances = await Promise.all(ids.map((id) => QueryInstance.make({ id, ...params })));
      await Promise.all(instances.map((instance) => startBoth(instance)));
      const gateway = new Running(process.execPath, [`${root}/sidecar/main.ts`], {
        home: home.path,
        env: {
          ...{ FERRY_ROLE: "gateway", FERRY_SERVICE: "quoter", FERRY_INSTANCE: "gateway", FERRY_LOG: "error" },
          ...{ FERRY_OUTBOUND: "127.0.0.1:0", FERRY_MESH_CONFIG: meshConfig },
        },
      });
      const ready = (await gateway.event("ready", readyWithinMs)) as { outbound: string; admin: string };
      const mesh = new QueryMesh({ home, instances, gateway, ready, quoteId, remove });
      await mesh.allServe();
      return mesh;
    } catch (error) {
      remove();
      throw error;
    }
  }

  /** Resolves when every instance has answered through the gateway within a short while. */
  async allServe(withinMs = 30_000): Promise<void> {
    const client = new GrpcClient(this.gateway);
    try {
      await eventually("all instances serve", withinMs, async () => {
        const asked = Array.from({ length: 30 }, () => this.ask(client, 2000));
        const answers = await Promise.all(asked);
        const seen = new Set(answers.map(({ headers }) => String(headers.get("x-quoter-instance")[0] ?? "")));
        const missing = ids.filter((id) => !seen.has(id));
        if (missing.length > 0) {
          const failed = answers.find(({ code }) => code !== "OK");
          throw new Error(`${missing.join(", ")} did not answer${failed === undefined ? "" : `; ${failed.message}`}`);
        }
        return true;
      });
    } finally {
      client.close();
    }
  }

  /**
   * Resolves when every instance answers by itself. The gateway's balancer may still avoid one for a while, because it
   * was slow.
   */
  async allAnswer(withinMs = 30_000): Promise<void> {
    for (const { id, relay } of this.instances) {
      await eventually(`${id} answers`, withinMs, async () => {
        const client = new GrpcClient(`127.0.0.1:${relay.port}`);
        const { code, message } = await this.ask(client, 2000);
        client.close();
        if (code === "OK") return true;
        throw new Error(`${code} ${message}`);
      });
    }
  }

  /** One query, which is idempotent. */
  ask(client: GrpcClient, timeoutMs: number) {
    return client.unary(QuoteQueryService.method.getQuote, { quoteId: this.quoteId }, { timeoutMs });
  }

  /** Calls that have ended at the gateway so far, and the tries that they took at instances. */
  async counts(): Promise<{ calls: number; tries: number }> {
    const text = await (await fetch(`http://${this.#admin}/metrics`)).text();
    const sumOf = (name: string) =>
      text
        .split("\n")
        .filter((line) => line.startsWith(`${name}{`))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
    return { calls: sumOf("ferry_calls_total"), tries: sumOf("ferry_attempts_total") };
  }

  /** Ends everything; sentences about what is left although nothing may be. */
  async stop(): Promise<readonly string[]> {
    for (const instance of this.instances) await instance.kill();
    this.#gatewayProcess.signal("SIGTERM");
    const { code, signal } = await this.#gatewayProcess.exited;
    const problems = code === 0 ? [] : [`the gateway ended with ${code ?? signal}`];
    for (const line of await this.#home.leftOver()) problems.push(`still running: ${line}`);
    process.off("exit", this.#remove);
    this.#remove();
    return problems;
  }
}

/** The folder; rejects when there is a mistake in it, with which nothing of it would be in force. */
async function writeMeshConfig(home: string): Promise<string> {
  const folder = join(home, "mesh-config");
  for (const entry of entries) {
    mkdirSync(join(folder, entry.Kind), { recursive: true });
    writeFileSync(join(folder, entry.Kind, `${entry.Name}.json`), JSON.stringify(entry));
  }
  const { code, stdout, stderr } = await ferry(["check", folder], { home });
  if (code !== 0) throw new Error(`ferry check: ${stdout}${stderr}`);
  return folder;
}

async function startBoth(instance: QueryInstance): Promise<void> {
  await instance.start("app");
  await instance.start("sidecar");
}

/** Submits one quote and lets it be projected; what wrote it is ended again. Its id. */
async function writeQuote(home: string): Promise<string> {
  const start = (main: string, env: Record<string, string>) =>
    new Running(process.execPath, [`${root}/services/${main}/main.ts`], { home, env });
  const command = start("quote-command", { FERRY_INSTANCE: "command" });
  const projector = start("quote-projector", { FERRY_VERSION: "v1", FERRY_INSTANCE: "projector" });
  const query = start("quote-query", { FERRY_VERSION: "v1", FERRY_INSTANCE: "first" });
  const clients: GrpcClient[] = [];
  const clientOf = async (running: Running) => {
    const client = new GrpcClient(String((await running.event("ready", readyWithinMs)).listen));
    clients.push(client);
    return client;
  };
  try {
    const [commands, queries] = await Promise.all([clientOf(command), clientOf(query)]);
    const request = { commandId: "incidents", text: "Change the boat in mid-river.", author: "A ferryman" };
    const done = await commands.unary(QuoteCommandService.method.submitQuote, request, { timeoutMs: 5000 });
    if (done.reply === undefined) throw new Error(`no quote could be submitted: ${done.code} ${done.message}`);
    const { quoteId } = done.reply;
    await eventually("the quote is in the read model", 20_000, async () => {
      const { code } = await queries.unary(QuoteQueryService.method.getQuote, { quoteId }, { timeoutMs: 2000 });
      return code === "OK" ? true : undefined;
    });
    return quoteId;
  } finally {
    for (const client of clients) client.close();
    for (const running of [query, projector, command]) {
      running.signal("SIGTERM");
      await running.exited;
    }
  }
}
