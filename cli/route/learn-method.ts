// What a method is, as a sidecar would learn it: by reflection at one instance of every version of the services that a
// chain leads to. Nobody that knows it: unknown, which is never an error here. Called by `ferry route`.

import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { mergeMethodTables } from "../../sidecar/descriptors/method-traits.ts";
import type { Endpoint } from "../../sidecar/discovery/registry.ts";
import type { MethodTraits } from "../../sidecar/routing/snapshot.ts";
import { reasonOf } from "../exit.ts";
import { openClient } from "../grpc/raw-call.ts";
import { Reflection } from "../grpc/reflect.ts";

export interface LearnedMethod {
  /** Undefined: unknown, so never sent again on suspicion. */
  readonly traits: MethodTraits | undefined;
  /** As `reflection of quote-query-v1-1, quote-query-v2-1`, or why it is unknown. */
  readonly from: string;
}

const timeoutMs = 2_000;

/** `path` as `/package.Service/Method`. */
export async function learnMethod(
  path: string,
  instances: ReadonlyMap<string, readonly Endpoint[]>,
): Promise<LearnedMethod> {
  const asked = onePerVersion([...instances.values()].flat());
  if (asked.length === 0) return { traits: undefined, from: "no instance is registered that could be asked" };
  const answers = await Promise.all(asked.map((endpoint) => askInstance(endpoint, path)));
  const known = answers.filter((answer) => "traits" in answer);
  if (known.length === 0) {
    const refusal = answers.find((answer) => "refusal" in answer)?.refusal;
    return { traits: undefined, from: refusal ?? `no instance serves it, by reflection of ${namesOf(answers)}` };
  }
  const traits = mergeMethodTables(known.map(({ traits }) => ({ [path]: traits })))[path];
  const from = `reflection of ${namesOf(known)}`;
  return { traits, from: traits === undefined ? `${from} do not agree on its kind` : from };
}

type Answer = { readonly id: string } & (
  | { readonly traits: MethodTraits }
  | { readonly refusal: string }
  | { readonly hasNone: true }
);

async function askInstance({ id, service, host, port }: Endpoint, path: string): Promise<Answer> {
  const client = openClient({ host, port }, { "grpc.default_authority": service });
  try {
    const [, serviceName = "", methodName = ""] = path.split("/");
    const found = await new Reflection(client, id, timeoutMs).findService(serviceName);
    const method = found?.service.methods.find(({ name }) => name === methodName);
    if (method === undefined) return { id, hasNone: true };
    const idempotent = method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;
    return { id, traits: { kind: method.methodKind, idempotent } };
  } catch (error) {
    return { id, refusal: reasonOf(error) };
  } finally {
    client.close();
  }
}

function onePerVersion(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const chosen = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const key = `${endpoint.service}\n${endpoint.version}`;
    const before = chosen.get(key);
    if (before === undefined || (before.health !== "passing" && endpoint.health === "passing"))
      chosen.set(key, endpoint);
  }
  return [...chosen.values()];
}

function namesOf(answers: readonly { readonly id: string }[]): string {
  return answers.map(({ id }) => id).join(", ");
}
