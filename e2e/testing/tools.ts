// The programs of others that end-to-end tests use: the real grpcurl, and a Python with grpcio. `.ci/run` installs them
// and names them in FERRY_GRPCURL and FERRY_PYTHON; a missing one fails a test with a sentence, never skips it.

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { root, runToEnd } from "./ferry.ts";

/** Throws when there is none. */
export function findGrpcurl(): string {
  const onPath = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "grpcurl"));
  const found = [process.env.FERRY_GRPCURL ?? "", join(root, ".cache/bin/grpcurl"), ...onPath].find(
    (path) => path !== "" && existsSync(path),
  );
  if (found !== undefined) return found;
  throw new Error("grpcurl is neither named in FERRY_GRPCURL nor on PATH; `.ci/run` builds it");
}

/**
 * FERRY_PYTHON, python3 if it has what examples/greeter-python needs, else a virtual environment made once in .cache
 * (takes half a minute and a package index).
 */
export async function findPython(): Promise<string> {
  const own = join(root, ".cache/python/bin/python");
  for (const python of [process.env.FERRY_PYTHON, own, "python3"]) {
    if (python !== undefined && (await hasGrpcio(python))) return python;
  }
  const made = await runToEnd("python3", ["-m", "venv", join(root, ".cache/python")]);
  if (made.code !== 0)
    throw new Error(`FERRY_PYTHON is not set and python3 makes no virtual environment: ${made.stderr}`);
  const wanted = join(root, "examples/greeter-python/requirements.txt");
  const installed = await runToEnd(own, [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "-r",
    wanted,
  ]);
  if (installed.code === 0) return own;
  throw new Error(`FERRY_PYTHON is not set and the packages of ${wanted} cannot be installed: ${installed.stderr}`);
}

async function hasGrpcio(python: string): Promise<boolean> {
  const probe = "import grpc, grpc_tools, grpc_health.v1.health, grpc_reflection.v1alpha.reflection";
  return runToEnd(python, ["-c", probe]).then(
    ({ code }) => code === 0,
    () => false,
  );
}
