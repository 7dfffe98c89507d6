// The form of one instance's file in the directory registry: `registry/<service>/<id>.json`. Files come from other
// processes, maybe of other versions, so every field is checked before anything is believed.

import type { Endpoint, RegisteredInstance, Registration } from "../registry.ts";

/** Raised with every change that an older reader would misread. */
const formatVersion = 1;

/** What a file holds. */
export interface InstanceRecord {
  readonly registration: Registration;
  /** processStart(sidecarPid) at registration; empty when unknown. */
  readonly sidecarStart: string;
  readonly health: "passing" | "warning" | "critical";
  readonly note: string;
  /** Why the instance is out of rotation; undefined when it is not. */
  readonly maintenance: string | undefined;
}

/** Names become paths and header values: nothing that could leave the folder or break a line. */
export function isName(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,62}$/.test(text) && !text.includes("..");
}

export function formatInstanceFile(record: InstanceRecord): string {
  const { registration, sidecarStart, health, note, maintenance } = record;
  const content = { format: formatVersion, ...registration, sidecarStart, health, note, maintenance };
  return `${JSON.stringify(content, undefined, 1)}\n`;
}

/** The record, or what is wrong with the file, in words. */
export function parseInstanceFile(text: string, service: string, id: string): InstanceRecord | string {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return "is not JSON";
  }
  if (!isObject(content)) return "is not a JSON object";
  if (content.format !== formatVersion) {
    return `has format ${JSON.stringify(content.format)}, this version reads ${formatVersion}`;
  }
  if (content.service !== service || content.id !== id) return "names another service or id than its path";
  const { version, host, port, weight, meta, appPid, sidecarPid, admin, sidecarStart, health, note, maintenance } =
    content;
  if (!isText(version) || !isText(admin) || !isText(sidecarStart) || !isText(note)) return "lacks a text field";
  if (!isText(host) || host === "" || !isCount(port) || port > 65_535) return "has no usable host and port";
  if (typeof weight !== "number" || !(weight >= 0 && weight <= 65_535)) return "has no usable weight";
  if (!isCount(appPid) || !isCount(sidecarPid)) return "has no usable process ids";
  if (health !== "passing" && health !== "warning" && health !== "critical") return "has no usable health";
  if (maintenance !== undefined && !isText(maintenance)) return "has no usable maintenance";
  if (!isObject(meta) || !Object.values(meta).every(isText)) return "has no usable meta";
  const registration: Registration = {
    ...{ id, service, version, host, port, weight, appPid, sidecarPid, admin },
    meta: meta as Record<string, string>,
  };
  return { registration, sidecarStart, health, note, maintenance };
}

/** As a balancer may dial it. The version shows as `Service.Meta.version`, as it does with Consul. */
export function endpointOf({ registration, health, maintenance }: InstanceRecord): Endpoint {
  const { id, service, version, host, port, weight, meta } = registration;
  return {
    ...{ id, service, version, host, port, weight },
    health: maintenance === undefined ? health : "critical",
    meta: version === "" ? meta : { ...meta, version },
  };
}

export function registeredInstanceOf(record: InstanceRecord): RegisteredInstance {
  const { registration, health, note, maintenance } = record;
  return maintenance === undefined
    ? { ...registration, health, note }
    : { ...registration, health: "maintenance", note: maintenance };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
