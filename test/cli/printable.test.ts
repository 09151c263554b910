/**
 * Names that somebody chose to be run, evaluated or shown as something else: what the commands print with them in it is
 * pasted into a shell, compiled and displayed here, and does what it says and nothing more.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { compileBicep } from "../../src/arm/bicep/compile.ts";
import { renderExplanation } from "../../src/cli/explain.ts";
import { argument, literal, printable, printableValue, quoted } from "../../src/cli/printable.ts";
import { writeSuggestion } from "../../src/cli/suggest-role-formats.ts";
import { accessTo } from "../arm/bicep/table.ts";
import { withDirectory } from "../fixtures.ts";

const names: readonly string[] = [
  "plain",
  "two words",
  "it's",
  'say "x"',
  "$(touch pwned)",
  "`touch pwned`",
  `\${HOME}`,
  "; touch pwned #",
  "' ; touch pwned ; '",
  '" ; touch pwned ; "',
  `'; \${x} + '`,
  "\\' ; touch pwned",
  "!history",
  "%{ if true }x",
  "a\nb; touch pwned",
  "*",
  "~",
  "-rf",
  "",
  "żółć 🦊",
];

describe("words of a shell", () => {
  for (const name of names) {
    test(JSON.stringify(name), async () => {
      await withDirectory(async (directory) => {
        for (const word of [quoted(name), literal(name), argument(name)]) {
          const run = (shell: string): string =>
            execFileSync(shell, ["-c", `printf '<%s>' ${word}`], { cwd: directory, encoding: "utf8" });
          assert.equal(run("sh"), `<${printable(name)}>`, word);
        }
        assert.deepEqual(await readdir(directory), []);
      });
    });
  }
});

test("what a terminal would obey is not shown; line ends of a message are kept", () => {
  const esc = "\u001b[2J\u001b]0;x\u0007\u009b1m\r\nAllowed.\u2028\u202etxt\u0000";
  assert.match(printable(esc), /^[^\p{Cc}\u2028\u202e]*$/u);
  assert.equal(printable("żółć 🦊 ✓"), "żółć 🦊 ✓");
  assert.deepEqual(
    printableValue({ message: "a\r\nb\u001b", resource: "a\r\nb", n: 1, list: [null, "x\u0007"] }),
    {
      message: "a\r\nb\ufffd",
      resource: "a\ufffd\ufffdb",
      n: 1,
      list: [null, "x\ufffd"],
    },
  );
});

const suggestionFor = (name: string): Parameters<typeof writeSuggestion>[0] => ({
  accountName: "shop",
  accountId: "/subscriptions/s/resourceGroups/rg/providers/Microsoft.DocumentDB/databaseAccounts/shop",
  principalId: "11111111-1111-4111-8111-111111111111",
  principalName: name,
  roles: [{ scope: `/dbs/${name}`, actions: ["Microsoft.DocumentDB/databaseAccounts/readMetadata"] }],
});

describe("suggested roles over such names", () => {
  for (const name of names.filter((one) => one !== "" && !one.includes("\n"))) {
    test(`${JSON.stringify(name)}: az commands hand it over as it is`, async () => {
      await withDirectory(async (directory) => {
        const az = 'az() { for each in "$@"; do printf "%s\\n" "$each"; done; }\n';
        await writeFile(join(directory, "roles.sh"), az + writeSuggestion(suggestionFor(name), "az"));
        const said = execFileSync("sh", ["roles.sh"], { cwd: directory, encoding: "utf8" });
        assert.ok(said.split("\n").includes(`/dbs/${name}`), said);
        const body = said.split("\n").find((line) => line.startsWith('{"Id"')) ?? "{}";
        assert.equal((JSON.parse(body) as { RoleName: string }).RoleName, `${name} least privilege`);
        assert.deepEqual(await readdir(directory), ["roles.sh"]);
      });
    });

    test(`${JSON.stringify(name)}: Bicep and the template mean it as it is`, () => {
      const source = writeSuggestion(suggestionFor(name), "bicep");
      const files = new Map([["main.bicep", source]]);
      const { template, diagnostics } = compileBicep({ path: "main.bicep", ...accessTo(files) });
      assert.ok(template !== undefined, JSON.stringify(diagnostics));
      const text = JSON.stringify(template);
      assert.ok(text.includes(JSON.stringify(`${name} least privilege`)), text);
      const quotedName = JSON.stringify(name.replaceAll("'", "''")).slice(1, -1);
      // The scope became a format, in which braces stand for themselves when they are doubled.
      assert.ok(text.includes(`/dbs/${quotedName.replace(/[{}]/g, "$&$&")}`), text);
      const json = writeSuggestion(suggestionFor(name), "json");
      assert.ok(json.includes(`, '/dbs/${quotedName}')]`), json);
    });
  }

  test("Terraform evaluates nothing in them", () => {
    const written = writeSuggestion(suggestionFor(`\${file("x")} %{ if true } "`), "terraform");
    assert.match(written, /name {16}= "\$\$\{file\(\\"x\\"\)\} %%\{ if true \} \\" least privilege"/);
    assert.match(written, /scope {15}= "\$\{data\.azurerm_cosmosdb_account\.account\.id\}\/dbs\/\$\$\{file/);
  });
});

test("the fix that explain prints for a denied request over such a name is one command with that name in it", async () => {
  for (const name of names.filter((one) => one !== "")) {
    const text = renderExplanation({
      record: {
        time: 0,
        activityId: "",
        category: "DataPlaneRequests",
        account: "shop",
        operationName: "ReadItem",
        method: "GET",
        resource: `/dbs/${name}/colls/c/docs/1`,
        statusCode: 403,
        substatus: 5302,
        duration: 0,
        requestCharge: 0,
        userAgent: "",
        clientIpAddress: "",
        authTokenType: "AadToken",
        principalId: "p",
        decision: {
          credential: { kind: "aad", principalId: "p", groups: [] },
          action: "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/read",
          resource: `dbs/${name}/colls/c`,
          considered: [],
          allowed: false,
          reason: "noMatchingAssignment",
        },
      },
      accountId: suggestionFor("").accountId,
    } as unknown as Parameters<typeof renderExplanation>[0]);
    const [, command = ""] = /^ {2}(celestite role assign .*)$/m.exec(text) ?? [];
    await withDirectory(async (directory) => {
      const script = `celestite() { for each in "$@"; do printf "%s\\n" "$each"; done; }\n${command}`;
      const said = execFileSync("sh", ["-c", script], { cwd: directory, encoding: "utf8" }).split("\n");
      assert.ok(said.includes(`/dbs/${printable(name)}/colls/c`), `${command}\n${said.join("\n")}`);
      assert.deepEqual(await readdir(directory), []);
    });
  }
});
