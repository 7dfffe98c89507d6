import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { makeCertificate } from "../../common/testing/make-certificate.ts";
import { TestingClock } from "../../common/testing-clock.ts";
import { authority, serverMaterial } from "./testing/tls-fixture.ts";
import { type FollowedFiles, followTlsFiles } from "./tls-files.ts";
import type { DialMaterial, TlsMaterial } from "./tls-material.ts";

let folder: string;
let certFile: string;
let keyFile: string;
let caFile: string;
const followed: FollowedFiles<DialMaterial>[] = [];
const events: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ferry-tls-"));
  certFile = join(folder, "tls.crt");
  keyFile = join(folder, "tls.key");
  caFile = join(folder, "ca.crt");
  events.length = 0;
});

afterEach(async () => {
  for (const files of followed.splice(0)) files.close();
  await rm(folder, { recursive: true });
});

const writeKey = (file: string, pem: string) => writeFile(file, pem, { mode: 0o600 });

async function writePair({ cert, key }: TlsMaterial, into = folder): Promise<void> {
  await writeFile(join(into, "tls.crt"), cert);
  await writeKey(join(into, "tls.key"), key);
}

/** Time passes for real, since the notices come from the kernel. */
async function follow(more: { caFile?: string } = {}, clock = systemClock) {
  const short = (text: string) => text.replaceAll(`${folder}/`, "");
  const files = await followTlsFiles({
    ...{ certFile, keyFile, ...more },
    clock,
    events: {
      onReload: (text) => events.push(`reload: ${short(text)}`),
      onKept: (text) => events.push(`kept: ${short(text)}`),
      onWarning: (text) => events.push(`warning: ${short(text)}`),
    },
  });
  followed.push(files);
  return files;
}

const eventually = { timeout: 5000 };

describe("files that are wrong at the start are named", () => {
  const fails = async (sentence: string, more = {}) => {
    await expect(follow(more)).rejects.toMatchObject({ name: "TlsFileError", message: expect.any(String) });
    const message = await follow(more).then(
      () => "",
      (error: Error) => error.message.replaceAll(`${folder}/`, ""),
    );
    expect(message).toBe(sentence);
  };

  test("missing ones, folders, those that nobody may read", async () => {
    await fails("certificate tls.crt cannot be read: no such file");
    await writeFile(certFile, serverMaterial().cert);
    await fails("key tls.key cannot be read: no such file");
    await mkdir(keyFile);
    await fails("key tls.key cannot be read: is a directory");
    await rm(keyFile, { recursive: true });
    await writePair(serverMaterial());
    await fails("authority ca.crt cannot be read: no such file", { caFile });
  });

  test("those that hold no PEM, or what cannot be decoded", async () => {
    const { cert } = serverMaterial();
    await writeFile(certFile, "hello");
    await fails("certificate tls.crt holds no PEM certificate");
    await writeFile(certFile, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    await fails("certificate tls.crt holds a PEM certificate that cannot be decoded");
    await writeFile(certFile, cert);
    await writeKey(keyFile, cert);
    await fails("key tls.key holds no PEM private key");
    await writeKey(keyFile, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    await fails("key tls.key holds a PEM private key that cannot be decoded");
  });

  test("a key that does not fit or has a passphrase", async () => {
    await writePair({ cert: serverMaterial().cert, key: serverMaterial().key });
    await fails("key tls.key does not fit certificate tls.crt");
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const locked = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-128-cbc", passphrase: "secret" });
    await writeKey(keyFile, locked as string);
    await fails("key tls.key has a passphrase: expected one without");
  });
});

describe("files that are taken with a warning", () => {
  test("a certificate that has expired, or is not valid yet", async () => {
    const at = (text: string) => new Date(text);
    const spans: [string, string, string][] = [
      [
        "2020-01-01T00:00:00Z",
        "2020-02-01T00:00:00Z",
        "warning: certificate tls.crt expired on Feb  1 00:00:00 2020 GMT",
      ],
      [
        "2048-01-01T00:00:00Z",
        "2049-01-01T00:00:00Z",
        "warning: certificate tls.crt is not valid before Jan  1 00:00:00 2048 GMT",
      ],
    ];
    for (const [notBefore, notAfter, warning] of spans) {
      await writePair(
        makeCertificate({ commonName: "a", notBefore: at(notBefore), notAfter: at(notAfter) }, authority),
      );
      events.length = 0;
      await follow();
      expect(events).toEqual([warning]);
    }
  });

  test("a key that others may read", async () => {
    await writePair(serverMaterial());
    await chmod(keyFile, 0o644);
    await follow();
    expect(events).toEqual(["warning: key tls.key has mode 0644: expected 0600"]);
  });

  test("a certificate that expires while it is in force is told of once", async () => {
    const clock = new TestingClock();
    const start = clock.wallMs();
    await writePair(
      makeCertificate(
        { commonName: "a", notBefore: new Date(start - 1000), notAfter: new Date(start + 40_000) },
        authority,
      ),
    );
    await follow({}, clock);
    expect(events).toEqual([]);
    for (let look = 0; look < 4; look++) {
      await clock.advance(30_000);
      await expect.poll(() => clock.pendingTimers).toBe(1);
    }
    expect(events).toEqual([expect.stringMatching(/^warning: certificate tls.crt expired on/)]);
  });
});

// Each waits for the kernel's notice and 200 ms more.
describe("files that change", () => {
  test("a pair that is written over counts at once, and so does a new authority", async () => {
    await writePair(serverMaterial("first"));
    await writeFile(caFile, authority.cert);
    const files = await follow({ caFile });
    const seen: DialMaterial[] = [];
    files.onChange((material) => seen.push(material));
    const second = serverMaterial("second");
    await writePair(second);
    await expect.poll(() => seen.at(-1)?.cert, eventually).toBe(second.cert);
    expect(files.current).toEqual({ ...second, ca: authority.cert });
    expect(events.at(-1)).toMatch(/^reload: certificate tls.crt: CN=second, valid until /);
    await writeFile(caFile, `${authority.cert}${authority.cert}`);
    await expect.poll(() => files.current.ca, eventually).toBe(`${authority.cert}${authority.cert}`);
  });

  test("links that are swapped, as Kubernetes does it with secrets", async () => {
    for (const name of ["one", "two"]) {
      await mkdir(join(folder, name));
      await writePair(serverMaterial(name), join(folder, name));
    }
    await symlink("one", join(folder, "..data"));
    for (const name of ["tls.crt", "tls.key"]) await symlink(join("..data", name), join(folder, name));
    await follow();
    await symlink("two", join(folder, "..data_tmp"));
    await rename(join(folder, "..data_tmp"), join(folder, "..data"));
    await expect.poll(() => events.at(-1), eventually).toMatch(/^reload: certificate tls.crt: CN=two/);
    expect(events.length).toBe(1);
  });

  test("a link that leads elsewhere, as certbot sets it", async () => {
    const archive = join(folder, "archive");
    const live = join(folder, "live");
    for (const path of [archive, live]) await mkdir(path);
    await writePair(serverMaterial("one"), archive);
    certFile = join(live, "fullchain.pem");
    keyFile = join(live, "privkey.pem");
    await symlink("../archive/tls.crt", certFile);
    await symlink("../archive/tls.key", keyFile);
    await follow();
    const second = serverMaterial("two");
    await writeFile(join(archive, "2.crt"), second.cert);
    await writeKey(join(archive, "2.key"), second.key);
    for (const [file, target] of [
      [certFile, "2.crt"],
      [keyFile, "2.key"],
    ] as const) {
      await symlink(`../archive/${target}`, `${file}.new`);
      await rename(`${file}.new`, file);
    }
    await expect.poll(() => events.at(-1), eventually).toMatch(/^reload: certificate .*CN=two/);
  });

  test("a half-written pair keeps the old one and says so once; with the other half it counts", async () => {
    const first = serverMaterial("first");
    await writePair(first);
    const files = await follow();
    const second = serverMaterial("second");
    await writeFile(certFile, second.cert);
    await expect.poll(() => events, eventually).toEqual(["kept: key tls.key does not fit certificate tls.crt"]);
    expect(files.current).toEqual(first);
    await writeFile(certFile, second.cert.slice(0, 100));
    await expect.poll(() => events.at(-1), eventually).toBe("kept: certificate tls.crt holds no PEM certificate");
    await rm(certFile);
    await expect.poll(() => events.at(-1), eventually).toBe("kept: certificate tls.crt cannot be read: no such file");
    expect(files.current).toEqual(first);
    await writePair(second);
    await expect.poll(() => files.current, eventually).toEqual(second);
  });

  test("a folder that is made anew is watched anew", async () => {
    const inner = join(folder, "inner");
    await mkdir(inner);
    await writePair(serverMaterial("first"), inner);
    certFile = join(inner, "tls.crt");
    keyFile = join(inner, "tls.key");
    const clock = new TestingClock();
    const files = await follow({}, clock);
    await rm(inner, { recursive: true });
    // The notice of the loss, or the look by itself: either way the look is by this clock.
    await clock.advance(30_000);
    await expect.poll(() => events).toContainEqual(expect.stringMatching(/^kept: certificate .*no such file/));
    await mkdir(inner);
    const second = serverMaterial("second");
    await writePair(second, inner);
    await expect
      .poll(async () => {
        await clock.advance(30_000);
        return files.current;
      }, eventually)
      .toEqual(second);
  });

  test("after close nothing is followed", async () => {
    const clock = new TestingClock();
    await writePair(serverMaterial("first"));
    (await follow({}, clock)).close();
    expect(clock.pendingTimers).toBe(0);
  });
});
