/** Restoring modules from a registry, one of our own that speaks the OCI distribution protocol. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { withDirectory } from "../fixtures.ts";
import { commandHere } from "./finished.ts";

const template = JSON.stringify({
  $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  contentVersion: "1.0.0.0",
  parameters: { name: { type: "string" } },
  resources: [],
  outputs: { greeting: { type: "string", value: "[format('hello {0}', parameters('name'))]" } },
});

function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function manifest(
  digest: string,
  mediaType: string = "application/vnd.ms.bicep.module.layer.v1+json",
): string {
  return JSON.stringify({ schemaVersion: 2, layers: [{ mediaType, digest, size: 1 }] });
}

interface Setting {
  readonly host: string;
  readonly asked: string[];
  readonly home: string;
  readonly bicep: (...args: readonly string[]) => Promise<{ code: number; out: string; errors: string }>;
  readonly write: (text: string) => Promise<void>;
}

/** Where the modules are kept is below the home directory, which is this process's while one of these runs. */
const given = process.env["HOME"];

async function withRegistry(
  parts: Readonly<Record<string, string | number>>,
  use: (setting: Setting) => Promise<void>,
): Promise<void> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const part = parts[request.url ?? ""];
    if (typeof part === "string") response.end(part);
    else response.writeHead(part ?? 404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await withDirectory(async (home) => {
      process.env["HOME"] = home;
      const file = join(home, "main.bicep");
      await use({
        host,
        asked,
        home,
        write: (text) => writeFile(file, text),
        bicep: async (command = "", ...more) => {
          const { code, stdout, stderr } = await commandHere(["bicep", command, file, ...more]);
          return { code, out: stdout, errors: stderr };
        },
      });
    });
  } finally {
    if (given === undefined) delete process.env["HOME"];
    else process.env["HOME"] = given;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const moduleOf = (reference: string): string => `module m '${reference}' = {
  name: 'm'
  params: {
    name: 'you'
  }
}
output greeting string = m.outputs.greeting
`;

const paths = {
  manifest: "/v2/team/hello/manifests/1.0",
  blob: `/v2/team/hello/blobs/${digestOf(template)}`,
};

describe("celestite bicep restore", () => {
  test("brings what a file names, once, and the file compiles from then on", () =>
    withRegistry(
      { [paths.manifest]: manifest(digestOf(template)), [paths.blob]: template },
      async (setting) => {
        const { host, asked, home, bicep, write } = setting;
        await write(moduleOf(`br:${host}/team/hello:1.0`));
        const before = await bicep("build", "--stdout");
        assert.equal(before.code, 1);
        assert.match(before.errors, /CEL004: .*'celestite bicep restore' brings them/);
        assert.deepEqual(asked, [], "building asks nobody");
        const restored = await bicep("restore");
        assert.equal(restored.code, 0, restored.errors);
        assert.equal(restored.errors, `Restored br:${host}/team/hello:1.0\n`);
        assert.deepEqual(asked, [paths.manifest, paths.blob]);
        const kept = join(home, ".bicep/br", host.replace(":", "$"), "team$hello", "1.0$", "main.json");
        assert.equal(await readFile(kept, "utf8"), template);
        const after = await bicep("build", "--stdout");
        assert.equal(after.code, 0, after.errors);
        assert.match(after.out, /hello \{0\}/);
        assert.equal((await bicep("restore")).errors, "Every module is there.\n");
        assert.equal(asked.length, 2);
        await bicep("restore", "--force");
        assert.equal(asked.length, 4);
      },
    ));

  const tampered = template.replace("hello", "other");
  const refused: readonly (readonly [string, Readonly<Record<string, string | number>>, RegExp])[] = [
    ["what the registry does not have", {}, /the registry answered HTTP 404/],
    ["what wants a sign-in", { [paths.manifest]: 401 }, /the registry wants a sign-in/],
    ["an answer that is no JSON", { [paths.manifest]: "<html>" }, /the registry's answer is not JSON/],
    [
      "what is no module",
      { [paths.manifest]: manifest(digestOf(template), "application/vnd.oci.image.layer.v1.tar") },
      /it is no Bicep module/,
    ],
    [
      "content that is not what the manifest names",
      { [paths.manifest]: manifest(digestOf(template)), [paths.blob]: tampered },
      /does not have the digest that its manifest names/,
    ],
  ];
  for (const [name, parts, why] of refused) {
    test(`refuses ${name} and keeps nothing`, () =>
      withRegistry(parts, async ({ host, bicep, write }) => {
        await write(moduleOf(`br:${host}/team/hello:1.0`));
        const { code, errors } = await bicep("restore");
        assert.equal(code, 1);
        assert.match(errors, why);
        assert.equal(errors.trim().split("\n").length, 1, errors);
        assert.equal((await bicep("build", "--stdout")).code, 1);
      }));
  }

  test("says that nobody listens in one line", () =>
    withRegistry({}, async ({ bicep, write }) => {
      await write(moduleOf("br:127.0.0.1:1/team/hello:1.0"));
      const { code, errors } = await bicep("restore");
      assert.equal(code, 1);
      assert.match(errors, /^celestite bicep: br:127\.0\.0\.1:1\/team\/hello:1\.0 cannot be restored: .*\n$/);
    }));
});
