// What a gateway takes from nobody: fields by which the mesh talks to itself (`x-ferry-*`: priority, source, faults to
// inject, …). A request from the world that states them would jump queues and pass for another service. Called by
// serve-calls.ts for every request at a gateway, before anything reads the header.
//
// Hot at a gateway: once per call; without such fields it returns what it got.

import type { HeaderFields } from "../http2/header-field.ts";

const prefix = "x-ferry-";

export function withoutControlFields(fields: HeaderFields): HeaderFields {
  for (let i = 0; i < fields.length; i++) {
    if (fields[i]!.name.startsWith(prefix)) return fields.filter((field) => !field.name.startsWith(prefix));
  }
  return fields;
}
