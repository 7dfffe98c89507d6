import { X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type CertificateParams, makeCertificate } from "../../common/testing/make-certificate.ts";
import { describeCertificate } from "./tls-peer.ts";

const describeMade = (params: Omit<CertificateParams, "commonName">) =>
  describeCertificate(new X509Certificate(makeCertificate({ commonName: "a", ...params }).cert));

describe("the SPIFFE id of a certificate", () => {
  test("is its only URI name", () => {
    const uris = ["spiffe://trust.test/ns/default/dc/dc1/svc/quote-query"];
    const { spiffeId, dnsNames, subject } = describeMade({ uris, dns: ["a.test", "b.test"], ips: ["127.0.0.1"] });
    expect({ spiffeId, dnsNames, subject }).toEqual({
      spiffeId: uris[0],
      dnsNames: ["a.test", "b.test"],
      subject: "CN=a",
    });
  });

  test("is none with two URI names, another scheme, or no names", () => {
    expect(describeMade({ uris: ["spiffe://a/b", "spiffe://a/c"] }).spiffeId).toBeUndefined();
    expect(describeMade({ uris: ["https://a/b"] }).spiffeId).toBeUndefined();
    expect(describeMade({}).spiffeId).toBeUndefined();
  });

  test("cannot be put into another name", () => {
    for (const name of ["a.test, URI:spiffe://a/b", 'a", URI:spiffe://a/b, DNS:"', "a\0, URI:spiffe://a/b"]) {
      const { spiffeId, uris, dnsNames } = describeMade({ dns: [name] });
      expect({ spiffeId, uris, dnsNames }).toEqual({ spiffeId: undefined, uris: [], dnsNames: [name] });
    }
  });

  test("keeps the commas that it has", () => {
    expect(describeMade({ uris: ["spiffe://a/b,c, DNS:d"] })).toMatchObject({
      spiffeId: "spiffe://a/b,c, DNS:d",
      dnsNames: [],
    });
  });
});
