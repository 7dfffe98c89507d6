// The file that NATS_CREDS names, read and looked at before the NATS client gets it, whose own errors would not say
// which file it is. Called by open-event-log.ts. Guarantees: messages show nothing of the content.

import { readFile } from "node:fs/promises";
import { reasonOf } from "./log-refused.ts";

const advice = "expected a file with a user's JWT and seed, as `nsc generate creds` writes it";

/** Throws an Error with one sentence. */
export async function readNatsCreds(file: string): Promise<Uint8Array> {
  const content = await readFile(file).catch((error: unknown) => {
    throw new Error(`NATS_CREDS=${file}: cannot be read (${reasonOf(error)}); ${advice}`, { cause: error });
  });
  if (!/-BEGIN NATS USER JWT-[\s\S]*-BEGIN USER NKEY SEED-/.test(content.toString("latin1"))) {
    throw new Error(`NATS_CREDS=${file}: has not what it should have; ${advice}`);
  }
  return content;
}
