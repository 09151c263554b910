import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { manualClock } from "../../src/clock.ts";
import { keepTokenFile } from "../../src/composition/token-files.ts";
import type { MintedToken } from "../../src/identity/issuers.ts";

let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "celestite-tokens-"));
});
after(() => rm(directory, { recursive: true, force: true }));

/** Mints numbered tokens; fails when it is told to. */
function numbered(): { mint(): Promise<MintedToken>; fails: boolean } {
  let count = 0;
  return {
    fails: false,
    async mint() {
      if (this.fails) throw new Error("no key");
      count += 1;
      return { token: `token ${count}`, issuer: "https://issuer/", expiresOn: 0 };
    },
  };
}

/** Waits until a file that is being written says so. */
async function says(file: string, text: string): Promise<void> {
  const end = Date.now() + 60_000;
  while ((await readFile(file, "utf8")) !== text) {
    assert.ok(Date.now() < end, `${file} does not become '${text}'`);
    await setImmediate();
  }
}

describe("a kept token file", () => {
  test("is private, renewed at four fifths of its token's life, tried again after a failure, and gone", async (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const clock = manualClock(0);
    const issuers = numbered();
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    const kept = await keepTokenFile({ directory, id: "w", subject: "s", issuers, clock, onError });
    assert.equal((await stat(kept.file)).mode & 0o777, 0o600);
    assert.equal((await stat(dirname(kept.file))).mode & 0o777, 0o700);
    clock.advance(2_879_000);
    t.mock.timers.tick(5_000);
    await setImmediate();
    assert.equal(await readFile(kept.file, "utf8"), "token 1");
    issuers.fails = true;
    clock.advance(1_000);
    t.mock.timers.tick(5_000);
    await setImmediate();
    assert.deepEqual(errors.map(String), ["Error: no key"]);
    issuers.fails = false;
    t.mock.timers.tick(5_000);
    await says(kept.file, "token 2");
    await kept.close();
    assert.deepEqual(await readdir(join(directory, "tokens")), []);
  });

  test("of an issuer that cannot mint leaves nothing", async () => {
    const issuers = numbered();
    issuers.fails = true;
    const onError = (error: unknown): never => assert.fail(String(error));
    const options = {
      directory,
      id: "x",
      subject: "s",
      issuers,
      clock: manualClock(0),
      onError,
    };
    await assert.rejects(keepTokenFile(options), /no key/);
    assert.deepEqual(await readdir(join(directory, "tokens")), []);
  });
});
