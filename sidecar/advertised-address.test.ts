import { describe, expect, test } from "vitest";
import { advertisedAddress } from "./advertised-address.ts";

function address(text: string, internal = false) {
  const family = text.includes(":") ? ("IPv6" as const) : ("IPv4" as const);
  return { address: text, internal, family, netmask: "", mac: "", cidr: null, scopeid: 0 };
}

const interfaces = {
  lo: [address("127.0.0.1", true), address("::1", true)],
  eth0: [address("fe80::1"), address("2001:db8::7"), address("169.254.3.4"), address("10.0.0.7")],
};

describe("the address that a sidecar registers", () => {
  test("is the listener's, when others could dial that", () => {
    const listening = { host: "127.0.0.1", port: 21_000 };
    expect(advertisedAddress(listening, null, interfaces)).toEqual(listening);
  });

  test("is the machine's first IPv4 address for a listener on every address", () => {
    for (const host of ["0.0.0.0", "::"]) {
      expect(advertisedAddress({ host, port: 1 }, null, interfaces)).toEqual({ host: "10.0.0.7", port: 1 });
    }
    const onlySix = { eth0: [address("fe80::1"), address("2001:db8::7")] };
    expect(advertisedAddress({ host: "::", port: 1 }, null, onlySix).host).toBe("2001:db8::7");
  });

  test("is what the setting says, with the listener's port unless it names one", () => {
    const listening = { host: "0.0.0.0", port: 21_000 };
    const setting = { host: "mesh-3", port: undefined };
    expect(advertisedAddress(listening, setting, interfaces)).toEqual({ host: "mesh-3", port: 21_000 });
    expect(advertisedAddress(listening, { host: "mesh-3", port: 80 }, {})).toEqual({ host: "mesh-3", port: 80 });
  });

  test("is a sentence where the machine has none", () => {
    const listening = { host: "0.0.0.0", port: 1 };
    expect(() => advertisedAddress(listening, null, { lo: interfaces.lo })).toThrow("say which with FERRY_ADVERTISE");
  });
});
