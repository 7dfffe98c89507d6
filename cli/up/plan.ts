// What an embedded stack consists of, as data: which instances, which projectors. Pure.

import { commandProgram, projectorProgram, queryProgram } from "../supervise/programs.ts";

export interface PlannedInstance {
  readonly id: string;
  readonly service: string;
  readonly version: string;
  readonly program: typeof commandProgram;
}

export const plannedInstances: readonly PlannedInstance[] = [
  { id: "quote-command-1", service: "quote-command", version: "v1", program: commandProgram },
  { id: "quote-command-2", service: "quote-command", version: "v1", program: commandProgram },
  { id: "quote-query-v1-1", service: "quote-query", version: "v1", program: queryProgram },
  { id: "quote-query-v1-2", service: "quote-query", version: "v1", program: queryProgram },
  { id: "quote-query-v2-1", service: "quote-query", version: "v2", program: queryProgram },
];

/** One for each read model, its only writer. */
export const plannedProjectors = [
  { name: "quote-projector-v1", version: "v1", program: projectorProgram },
  { name: "quote-projector-v2", version: "v2", program: projectorProgram },
] as const;

/** The calls that a new user is shown. */
export function callsToTry(gateway: string): string[] {
  const addr = gateway === "127.0.0.1:8080" ? "" : `--addr ${gateway} `;
  return [
    `npx ferry call ${addr}quoter.command.v1.QuoteCommandService/SubmitQuote '{"text":"Change the boat in mid-river.","author":"A ferryman"}'`,
    `npx ferry call ${addr}quoter.query.v1.QuoteQueryService/GetRandomQuote`,
    `npx ferry call ${addr}quoter.query.v2.QuoteQueryService/ListQuotes '{"page_size":5}' -v`,
  ];
}
