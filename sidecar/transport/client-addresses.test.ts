import { describe, expect, test } from "vitest";
import { addressKey, ClientAddresses } from "./client-addresses.ts";

describe("client addresses", () => {
  test("the one above the maximum is refused until one has left", () => {
    const addresses = new ClientAddresses(2);
    expect([addresses.enter("10.0.0.1"), addresses.enter("10.0.0.1"), addresses.enter("10.0.0.1")]).toEqual([
      true,
      true,
      false,
    ]);
    expect(addresses.enter("10.0.0.2")).toBe(true);
    addresses.leave("10.0.0.1");
    expect(addresses.enter("10.0.0.1")).toBe(true);
  });

  test("nothing is kept of addresses that have no connection", () => {
    const addresses = new ClientAddresses(2);
    addresses.enter("10.0.0.1");
    addresses.enter("10.0.0.1");
    addresses.leave("10.0.0.1");
    expect(addresses.size).toBe(1);
    addresses.leave("10.0.0.1");
    expect(addresses.size).toBe(0);
  });

  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ])("%s counts as %s", (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});
