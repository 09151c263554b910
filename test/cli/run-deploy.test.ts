/** `celestite run --deploy`: folders and groups, as `start` takes them; and what is said when there is a choice to make. */
import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { root, withDirectory } from "../fixtures.ts";
import { commandProcess } from "./finished.ts";

const template = join(root, "demo/main.json");

/** Prints the variable as the program sees it. */
function printing(name: string): readonly string[] {
  return ["--", process.execPath, "-p", `process.env.${name} ?? "unset"`];
}

test("a folder is deployed into the group that is named; of several accounts one is to be chosen", async () => {
  await withDirectory(async (directory) => {
    const folder = join(directory, "infra");
    await mkdir(folder);
    await copyFile(template, join(folder, "main.json"));
    const second = JSON.parse(await readFile(template, "utf8")) as { parameters: Record<string, object> };
    second.parameters["accountName"] = { type: "string", defaultValue: "second-account" };
    await writeFile(join(folder, "second.json"), JSON.stringify(second));
    const run = (...args: readonly string[]) =>
      commandProcess(
        ["run", "--ephemeral", "--deploy", folder, "-g", "my-group", "--identity", "worker", ...args],
        directory,
      );
    const open = await run(...printing("COSMOS_ENDPOINT"));
    assert.equal(open.stdout, "unset\n", open.stderr);
    assert.match(open.stderr, /second\.json to my-group/);
    assert.match(open.stderr, /COSMOS_ENDPOINT is not set, .* --account: cosmos-\w+, second-account\n/);
    const chosen = await run("--account", "second-account", ...printing("COSMOS_ENDPOINT"));
    assert.match(chosen.stdout, /^https:\/\/localhost:\d+\/\n$/);
    assert.doesNotMatch(chosen.stderr, /not set/);
  });
});

test("parameters without a template, or for a folder, are refused before anything starts", async () => {
  await withDirectory(async (directory) => {
    const lonely = await commandProcess(["run", "--ephemeral", "-p", "a=1", "--", "true"], directory);
    assert.equal(lonely.code, 2);
    assert.match(lonely.stderr, /-p and --parameters go with --deploy/);
    const folder = ["run", "--ephemeral", "--deploy", directory, "-p", "a=1", "--", "true"];
    assert.match((await commandProcess(folder, directory)).stderr, /go with one template/);
  });
});
