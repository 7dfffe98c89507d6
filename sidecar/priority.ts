// How a caller ranks a call: what `x-ferry-priority` says. Read once per call by received-call.ts, acted on by the
// limits (resilience/limit-places.ts), passed on by every sidecar. A gateway takes it from nobody
// (edge/edge-fields.ts).

/** Lower goes first. */
export const Priority = { critical: 0, default: 1, sheddable: 2 } as const;
export type Priority = (typeof Priority)[keyof typeof Priority];

export const priorityField = "x-ferry-priority";

/** Anything but the three words is the default. */
export function parsePriority(text: string): Priority {
  if (text === "critical") return Priority.critical;
  return text === "sheddable" ? Priority.sheddable : Priority.default;
}
