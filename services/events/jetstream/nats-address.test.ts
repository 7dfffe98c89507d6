import { describe, expect, test } from "vitest";
import { parseNatsUrl } from "./nats-address.ts";

describe("a NATS address", () => {
  test.each([
    ["nats://127.0.0.1:4333", { servers: ["127.0.0.1:4333"], isTls: false, shown: "nats://127.0.0.1:4333" }],
    ["n1", { servers: ["n1:4222"], isTls: false, shown: "nats://n1:4222" }],
    ["tls://n1,tls://n2:1", { servers: ["n1:4222", "n2:1"], isTls: true, shown: "tls://n1:4222,n2:1" }],
    ["nats://[::1]:4222/", { servers: ["[::1]:4222"], isTls: false, shown: "nats://[::1]:4222" }],
  ])("%s", (text, address) => {
    expect(parseNatsUrl(text)).toEqual(address);
  });

  test("carries a user with a password, or a token, and shows neither", () => {
    const withUser = parseNatsUrl("nats://me:s%40cret@n1:1,nats://n2:2");
    expect(withUser).toMatchObject({ user: "me", pass: "s@cret", shown: "nats://n1:1,n2:2" });
    expect(parseNatsUrl("nats://t0ken@n1:1")).toMatchObject({ token: "t0ken", shown: "nats://n1:1" });
  });

  test.each(["", "http://n1:1", "nats://", "nats://n1:1/x", "nats://a:1,tls://b:2", "nats://me:secret@n1:99999"])(
    "%j is none, and the message does not repeat it",
    (text) => {
      const attempt = () => parseNatsUrl(text);
      expect(attempt).toThrow("expected nats://host:port");
      expect(attempt).not.toThrow("secret");
    },
  );

  test.each(["/", "?", "#"])("a password with a bare %s is refused, and none of it shown", (letter) => {
    expect(() => parseNatsUrl(`nats://me:12${letter}hush@n1`)).toThrow(
      "NATS_URL: in a password @ , / ? and # are written %40 %2C %2F %3F and %23",
    );
    expect(() => parseNatsUrl("nats://me:hu%zzsh@n1")).toThrow("NATS_URL: in a user or password % is written %25");
    expect(parseNatsUrl(`nats://me:12${encodeURIComponent(letter)}hush@n1`).pass).toBe(`12${letter}hush`);
  });
});
