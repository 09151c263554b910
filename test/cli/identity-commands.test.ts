/** The commands around identity, as a user types them: what they print, what they refuse, and what they leave behind. */
import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Celestite } from "../../src/celestite.ts";
import { startServer, testSettings } from "../fixtures.ts";
import { rsaKey } from "../shared-signing-key.ts";
import { commandHere, commandProcess, type Finished } from "./finished.ts";

const limit = { timeout: 180_000 };
let server: Celestite;
let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "celestite-commands-"));
  process.env["CELESTITE_DATA"] = directory;
  const onError = (error: unknown): never => {
    throw error;
  };
  server = await startServer(testSettings(directory), onError);
});

after(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

/** Programs that a command starts, and variables of their own, want a process; other commands run here. */
function celestite(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Finished> {
  const isProcess = env !== undefined || args[0] === "run" || args[0] === "az";
  return isProcess ? commandProcess(args, directory, env) : commandHere(args);
}

describe("celestite issuer", { concurrency: 2 }, () => {
  test("a minted token is written privately, and its issuer is listed", limit, async () => {
    const file = join(directory, "token");
    const minted = await celestite(["issuer", "mint", "--service-account", "shop:orders", "--file", file]);
    assert.equal(minted.code, 0, minted.stderr);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const [, payload = ""] = (await readFile(file, "utf8")).split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as { sub: string; iss: string };
    assert.equal(claims.sub, "system:serviceaccount:shop:orders");
    assert.match(
      (await celestite(["issuer", "list"])).stdout,
      new RegExp(`^${claims.iss}  cluster local`, "m"),
    );
  });

  test("an uploaded key set, listed and removed", limit, async () => {
    const { n, e } = createPublicKey(await rsaKey("cluster")).export({ format: "jwk" });
    const jwks = join(directory, "jwks.json");
    await writeFile(jwks, JSON.stringify({ keys: [{ kty: "RSA", kid: "k1", n, e }] }));
    const url = "https://oidc.example.com/";
    assert.equal((await celestite(["issuer", "add", url, "--jwks", jwks])).code, 0);
    assert.match((await celestite(["issuer", "list"])).stdout, /oidc\.example\.com\/ {2}uploaded, keys k1/);
    assert.equal((await celestite(["issuer", "remove", url])).code, 0);
    assert.equal((await celestite(["issuer", "remove", url])).code, 1);
  });

  const mistakes: readonly (readonly [readonly string[], number])[] = [
    [["issuer"], 2],
    [["issuer", "add", "https://x"], 2],
    [["issuer", "add", "https://x", "--jwks", "/nonexistent"], 1],
    [["issuer", "mint"], 2],
    [["issuer", "mint", "--service-account", "orders"], 2],
    [["issuer", "mint", "--subject", "x", "--lifetime", "5"], 1],
    [["issuer", "mint", "--subject", "x", "--watch"], 2],
    [["issuer", "mint", "--subject", "x", "--cluster", "A/B"], 1],
  ];
  for (const [args, code] of mistakes) {
    test(`one line: ${args.join(" ")}`, limit, async () => {
      const refused = await celestite(args);
      assert.equal(refused.code, code, refused.stderr);
      assert.equal(refused.stderr.trim().split("\n").length, 1);
    });
  }
});

describe("celestite identity", { concurrency: 2 }, () => {
  test("a user with a password, who is listed and deleted", limit, async () => {
    const added = await celestite([
      "identity",
      "user",
      "add",
      "dev@celestite.local",
      "--password",
      "correct horse",
    ]);
    assert.equal(added.code, 0, added.stderr);
    assert.equal((await server.identity.passwords.check("dev@celestite.local", "correct horse")).ok, true);
    assert.match((await celestite(["identity", "user", "list"])).stdout, /dev@celestite\.local/);
    assert.equal((await celestite(["identity", "user", "delete", "dev@celestite.local"])).code, 0);
    assert.equal((await celestite(["identity", "user", "delete", "dev@celestite.local"])).code, 1);
  });

  test("an application and its secret", limit, async () => {
    const added = await celestite(["identity", "app", "add", "shop", "--json"]);
    const { appId } = JSON.parse(added.stdout) as { appId: string };
    const secret = await celestite(["identity", "app", "secret", appId, "--lifetime", "1h"]);
    assert.match(secret.stdout, /^[A-Za-z0-9]{3}8Q~[\w-]{40}\n$/);
    assert.match((await celestite(["identity", "app", "list"])).stdout, new RegExp(`^${appId}  shop$`, "m"));
  });

  const mistakes: readonly (readonly [readonly string[], number])[] = [
    [["identity"], 2],
    [["identity", "user"], 2],
    [["identity", "user", "add"], 2],
    [["identity", "user", "add", "dev@elsewhere.example"], 1],
    [["identity", "user", "add", "x@celestite.local", "--password", "short"], 1],
    [["identity", "app", "secret", "no-such-app"], 1],
    [["identity", "app", "add", "x", "--redirect", "javascript:alert(1)"], 1],
    [["identity", "revoke", "nobody"], 1],
    [["identity", "certificate", "rotate", "nobody"], 1],
    [["identity", "consent", "app"], 2],
  ];
  for (const [args, code] of mistakes) {
    test(`one line: ${args.join(" ")}`, limit, async () => {
      const refused = await celestite(args);
      assert.equal(refused.code, code, refused.stderr);
      assert.equal(refused.stderr.trim().split("\n").length, 1);
    });
  }
});

describe("celestite az", { concurrency: 1 }, () => {
  test("the tool gets our cloud, our certificates and a profile of its own", limit, async () => {
    const folder = await mkdtemp(join(directory, "bin-"));
    const tool = join(folder, "az");
    await writeFile(
      tool,
      '#!/bin/sh\necho "$AZURE_CONFIG_DIR|$AZURE_CLOUD_NAME|$REQUESTS_CA_BUNDLE|$*"\nexit 4\n',
    );
    await chmod(tool, 0o755);
    const found = await celestite(["az", "--", "account", "show", "-o", "tsv"], {
      PATH: `${folder}:${process.env["PATH"] ?? ""}`,
    });
    const status = await server.status();
    assert.equal(found.code, 4);
    assert.equal(
      found.stdout,
      `${join(directory, "az")}|Celestite|${status.caBundleFile}|account show -o tsv\n`,
    );
    const clouds = await readFile(join(directory, "az/clouds.config"), "utf8");
    assert.match(clouds, new RegExp(`^endpoint_active_directory = ${status.endpoints.authority}$`, "m"));
    assert.match(await readFile(join(directory, "az/config"), "utf8"), /^instance_discovery = false$/m);
  });

  test("without the tool, one line that names the way out", limit, async () => {
    const empty = await mkdtemp(join(directory, "empty-"));
    const found = await celestite(["az", "--", "version"], { PATH: empty });
    assert.equal(found.code, 1);
    assert.match(found.stderr, /There is no 'az' on the PATH.*--as-user/);
    assert.equal((await celestite(["az", "version"])).code, 2);
  });
});

describe("celestite webhook", { concurrency: 2 }, () => {
  test("a manifest with our certificate authority", limit, async () => {
    const { stdout } = await celestite(["webhook", "manifest", "--url", "https://host.docker.internal:8072"]);
    assert.match(stdout, /^kind: MutatingWebhookConfiguration$/m);
    assert.match(stdout, /^ {6}url: "https:\/\/host\.docker\.internal:8072\/mutate-v1-pod"$/m);
    const bundle = /caBundle: (\S+)/.exec(stdout)?.[1] ?? "";
    assert.equal(
      Buffer.from(bundle, "base64").toString(),
      await readFile((await server.status()).caFile, "utf8"),
    );
  });

  for (const url of ["http://host:8072", "https://host/path", "host"]) {
    test(`not under ${url}`, limit, async () => {
      assert.equal((await celestite(["webhook", "manifest", "--url", url])).code, 2);
    });
  }
});
