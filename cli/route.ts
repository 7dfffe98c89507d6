// `ferry route`: where a call of a method would go, and with --explain why: the rules in order, the split, the
// endpoints, and every setting in force with its origin. Sends nothing to the method. Exit code 1 when no rule matches.

import { Command } from "commander";
import { chainProblems } from "../sidecar/routing/checked-chains.ts";
import { problemText } from "../sidecar/routing/mesh-config/problem.ts";
import { readHeaders } from "./call.ts";
import { openConsole } from "./console.ts";
import { exitOk, exitUnmet } from "./exit.ts";
import { parseMethodName } from "./grpc/method.ts";
import { plainMetadata } from "./grpc/raw-call.ts";
import { gatewayAdmission } from "./route/gateway-admission.ts";
import { learnMethod } from "./route/learn-method.ts";
import { entryPoint, readMesh } from "./route/read-mesh.ts";
import { routeReport } from "./route/route-report.ts";
import { routeLine, routeLines } from "./route/show-route.ts";
import { readCliSettings } from "./settings.ts";
import { findMeshConfig } from "./supervise/mesh-config-dir.ts";

interface RouteOptions {
  explain?: boolean;
  upstream: string;
  header: string[];
  meshConfig?: string;
  home?: string;
  json?: boolean;
}

export function routeCommand(finish: (code: number) => void): Command {
  return new Command("route")
    .description("show where a call would go, and why")
    .argument("<method>", "package.Service/Method")
    .option("--explain", "show the rules in order, endpoints, and each setting with its origin")
    .option(
      "-H, --header <name:value>",
      "a request header, may be given several times",
      (text, all: string[]) => [...all, text],
      [],
    )
    .option("--upstream <name>", "the service by whose name it is called", entryPoint)
    .option("--mesh-config <dir>", "the entries to route by; default: the running stack's, else ./mesh-config")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("--json", "one JSON object on stdout")
    .action(async (method: string, options: RouteOptions) => finish(await route(method, options)));
}

async function route(name: string, options: RouteOptions): Promise<number> {
  const out = openConsole("route", options.json === true);
  const { service, method } = parseMethodName(name);
  const headers = Object.entries(plainMetadata(readHeaders(options.header)));
  const { home, meshConfig: setting } = readCliSettings(options.home);
  const { upstream, meshConfig: option } = options;
  const meshConfig = () => findMeshConfig({ option, optionName: "--mesh-config", setting, home });
  const mesh = await readMesh({ home, meshConfig, upstream });
  const path = `/${service}/${method}`;
  const [learned, admission] = await Promise.all([learnMethod(path, mesh.instances), gatewayAdmission(home)]);
  const report = routeReport({ upstream, path, headers }, { mesh, learned, admission });
  // Files with mistakes are refused whole; what stands in Consul is in force but for such keys.
  for (const problem of chainProblems(mesh.view)) out.warn(`ferry: without effect: ${problemText(problem)}`);
  const isMatched = report.legs.length > 0;
  if (options.explain === true) for (const line of routeLines(report)) out.print(line);
  else if (isMatched) out.print(routeLine(report));
  if (!isMatched) out.warn(`ferry: no rule of ${upstream} takes ${service}/${method}; a call would end with no_route`);
  out.result(isMatched, { ...report });
  return isMatched ? exitOk : exitUnmet;
}
