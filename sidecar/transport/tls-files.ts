// TLS material from PEM files, followed while the process runs: a renewed certificate counts within some 200 ms, by
// whatever way the files came to change (written over, renamed, the links of certbot and of Kubernetes' secrets).
// Called once for each set of files.
//
// Guarantees: bad files never replace good material (a half-written pair, a key that does not fit, a missing file):
// what is in force stays, and the reason is told once.

import { X509Certificate } from "node:crypto";
import { dirname } from "node:path";
import type { Clock, Timer } from "../../common/clock.ts";
import { FolderNotices } from "../../common/folder-notices.ts";
import { ChangingMaterial, type DialMaterial, type TlsMaterial, type TlsSource } from "./tls-material.ts";
import { type ReadMaterial, readTlsFiles, type TlsPaths, validityWarning } from "./tls-read-files.ts";

export interface TlsFileEvents {
  /** Changed files are in force; the text describes the certificate. */
  onReload(text: string): void;
  /** Changed files are wrong and what was read before stays in force: a sentence. */
  onKept(text: string): void;
  /** A sentence about files that are in force, once. */
  onWarning(text: string): void;
}

export interface FollowedFiles<M> extends TlsSource<M> {
  close(): void;
}

export type TlsFilesOptions = TlsPaths & { readonly clock: Clock; readonly events: TlsFileEvents };

/** Tools that renew a pair write two files, one after the other. */
const settleMs = 200;
/** How often the files are looked at without a notice: links may lead to folders that are not watched. */
const lookMs = 30_000;

/** Rejects with TlsFileError, in one sentence, when the files are wrong at the start. */
export async function followTlsFiles(
  options: TlsFilesOptions & { readonly certFile: string; readonly keyFile: string },
): Promise<FollowedFiles<TlsMaterial>>;
export async function followTlsFiles(options: TlsFilesOptions): Promise<FollowedFiles<DialMaterial>>;
export async function followTlsFiles(options: TlsFilesOptions): Promise<FollowedFiles<DialMaterial>> {
  return new TlsFiles(options, await readTlsFiles(options, options.clock.wallMs()));
}

class TlsFiles implements FollowedFiles<DialMaterial> {
  readonly #options: TlsFilesOptions;
  readonly #inForce: ChangingMaterial<DialMaterial>;
  readonly #folders: readonly string[];
  readonly #notices: FolderNotices;
  #timer: Timer | undefined = undefined;
  #look: Promise<void> | undefined = undefined;
  #isLookDue = false;
  #isClosed = false;
  /** Why the files are not what is in force; empty when they are. */
  #problem = "";
  readonly #warned = new Set<string>();

  constructor(options: TlsFilesOptions, first: ReadMaterial) {
    this.#options = options;
    this.#inForce = new ChangingMaterial(first.material);
    const files = [options.certFile, options.keyFile, options.caFile].filter((file) => file !== undefined);
    this.#folders = [...new Set(files.map(dirname))];
    this.#notices = new FolderNotices(options.clock, settleMs, () => void this.#lookAgain());
    this.#watchFolders();
    this.#warn(first.warnings);
    this.#schedule();
  }

  get current(): DialMaterial {
    return this.#inForce.current;
  }

  onChange(listener: (material: DialMaterial) => void): () => void {
    return this.#inForce.onChange(listener);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#notices.close();
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = this.#options.clock.after(lookMs, () => void this.#lookAgain().then(() => this.#schedule()));
  }

  /** A folder that was made anew must be watched anew; one that is not there is looked for at the next look. */
  #watchFolders(): void {
    for (const folder of this.#folders) {
      try {
        this.#notices.watch(folder);
      } catch {
        this.#notices.forget(folder);
      }
    }
  }

  /** One look at a time; a notice during a look means another after it. */
  async #lookAgain(): Promise<void> {
    this.#isLookDue = true;
    this.#look ??= (async () => {
      while (this.#isLookDue && !this.#isClosed) {
        this.#isLookDue = false;
        await this.#lookOnce();
      }
      this.#look = undefined;
    })();
    await this.#look;
  }

  async #lookOnce(): Promise<void> {
    this.#watchFolders();
    try {
      const { material, warnings } = await readTlsFiles(this.#options, this.#options.clock.wallMs());
      if (this.#isClosed) return;
      this.#problem = "";
      if (!isSame(material, this.current)) {
        this.#warned.clear();
        this.#inForce.replace(material);
        this.#options.events.onReload(describe(material, this.#options));
      }
      this.#warn(warnings);
    } catch (error) {
      if (this.#isClosed) return;
      for (const folder of this.#folders) this.#notices.forget(folder);
      this.#watchFolders();
      this.#keep((error as Error).message);
    }
  }

  #keep(problem: string): void {
    if (problem !== this.#problem) this.#options.events.onKept(problem);
    this.#problem = problem;
    const { cert } = this.current;
    if (cert === undefined) return;
    const warning = validityWarning(new X509Certificate(cert), "that is in force", this.#options.clock.wallMs());
    if (warning !== undefined) this.#warn([warning]);
  }

  #warn(warnings: readonly string[]): void {
    for (const warning of warnings) {
      if (this.#warned.has(warning)) continue;
      this.#warned.add(warning);
      this.#options.events.onWarning(warning);
    }
  }
}

const isSame = (a: DialMaterial, b: DialMaterial) => a.cert === b.cert && a.key === b.key && a.ca === b.ca;

function describe({ cert }: DialMaterial, { certFile, caFile }: TlsPaths): string {
  if (cert === undefined) return `authorities of ${caFile}`;
  const { subject, validTo } = new X509Certificate(cert);
  return `certificate ${certFile}: ${(subject ?? "no subject").replaceAll("\n", ", ")}, valid until ${validTo}`;
}
