/** The emulator's well-known key in a whole server: opt-in, for loopback only. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wellKnownKey } from "../../src/azure/emulator-key.ts";
import { startCelestite } from "../../src/celestite.ts";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { withAccessServer } from "../cli/access-server.ts";
import { testSettings, withDirectory } from "../fixtures.ts";

test("the SDK gets in with it where it is switched on, and nowhere else", async () => {
  await withAccessServer(
    async ({ client }) => {
      const { statusCode } = await client({ key: wellKnownKey }).database("db").read();
      assert.equal(statusCode, 200);
    },
    { emulatorKey: true },
  );
  await withAccessServer(async ({ client }) => {
    await assert.rejects(client({ key: wellKnownKey }).database("db").read(), { code: 401 });
  });
});

test("a server that others can reach does not start with it", async () => {
  await withDirectory(async (directory) => {
    const settings = testSettings(directory, { emulatorKey: true, host: "0.0.0.0" });
    const around = { clock: systemClock, entropy: openEntropy(), onError: assert.ifError };
    await assert.rejects(startCelestite(settings, around), {
      name: "ListenError",
      message: "The emulator's well-known key is for loopback only; the server listens on 0.0.0.0.",
    });
  });
});
