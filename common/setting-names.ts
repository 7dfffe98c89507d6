// The names of all FERRY_* variables that any of our processes reads. They often share one environment (`npm start`, a
// container), so a process leaves the others' names alone and refuses only what nobody knows. A new row in a settings
// table gets its name here.

export const settingNames: readonly string[] = [
  "FERRY_ACCESS_LOG",
  "FERRY_ADMIN",
  "FERRY_APP",
  "FERRY_APP_PID",
  "FERRY_DESCRIPTORS",
  "FERRY_DRAIN_GRACE",
  "FERRY_DRAIN_PROPAGATION",
  "FERRY_EVENTS",
  "FERRY_GRPC_SERVICES",
  "FERRY_HEALTH_INTERVAL",
  "FERRY_HEALTH_TIMEOUT",
  "FERRY_HOME",
  "FERRY_INBOUND",
  "FERRY_INSTANCE",
  "FERRY_LISTEN",
  "FERRY_LOG",
  "FERRY_MESH_CONFIG",
  "FERRY_META",
  "FERRY_OUTBOUND",
  "FERRY_READ_MODEL",
  "FERRY_REBUILD",
  "FERRY_REGISTRY",
  "FERRY_ROLE",
  "FERRY_SERVICE",
  "FERRY_UPSTREAMS",
  "FERRY_VERSION",
  "FERRY_WEIGHT",
];
