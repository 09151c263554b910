/** The Bicep commands as they are used: what is written where, what is printed, exit codes; and as `az` starts them. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { runCommandLine } from "../../src/cli/command-line.ts";
import { root, withDirectory } from "../fixtures.ts";

const main = `@description('Where')
param location string = 'westeurope'
param names string[]
module part 'parts/part.bicep' = [for name in names: {
  params: {
    name: name
  }
}]
output all array = [for (name, i) in names: part[i].outputs.name]
output where string = location
`;
const files: Readonly<Record<string, string>> = {
  "main.bicep": main,
  "parts/part.bicep": "param name string\noutput name string = name\n",
  "dev.bicepparam": "using 'main.bicep'\nparam names = [ 'a', 'b' ]\n",
  "bare.bicepparam": "using 'main.bicep'\n",
  "bad.bicep": "output a string = nothing\noutput b int = 'x'\n",
  "warning.bicep": "param a string?\noutput b string = a\n",
  "loose.bicep": "param   a string='x'\noutput b string=a",
};

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), content);
    }
    await use(directory);
  });
}

/** In this process; paths are made absolute, in what is printed the directory is `DIR`. */
async function bicep(directory: string, ...args: readonly string[]): Promise<Finished> {
  let [stdout, stderr] = ["", ""];
  const inside = args.map((arg) =>
    !arg.startsWith("/") && /\.(bicep|bicepparam|json)$|^out/.test(arg) ? join(directory, arg) : arg,
  );
  const code = await runCommandLine(["bicep", ...inside], {
    out: (text) => {
      stdout += text;
    },
    error: (text) => {
      stderr += text;
    },
  });
  const shown = (text: string): string => text.replaceAll(directory, "DIR");
  return { code, stdout: shown(stdout), stderr: shown(stderr) };
}

/** The drop-in executable, in the directory of the files. */
async function dropIn(
  directory: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const entry = join(root, "dist/src/cli/bicep-main.js");
  const options = { cwd: directory, env: { ...process.env, ...environment }, timeout: 120_000 };
  try {
    return { code: 0, ...(await promisify(execFile)(process.execPath, [entry, ...args], options)) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    return { code: typeof code === "number" ? code : -1, stdout: stdout ?? "", stderr: stderr ?? "" };
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

describe("celestite bicep build", () => {
  test("writes the template beside the file", () =>
    inDirectory(async (directory) => {
      assert.deepEqual(await bicep(directory, "build", "main.bicep"), { code: 0, stdout: "", stderr: "" });
      const template = JSON.parse(await readFile(join(directory, "main.json"), "utf8"));
      assert.deepEqual(Object.keys(template.parameters), ["location", "names"]);
      assert.equal(template.resources.part.properties.template.outputs.name.value, "[parameters('name')]");
    }));

  test("writes to the terminal, to a file or into a directory, the same text each time", () =>
    inDirectory(async (directory) => {
      const { stdout } = await bicep(directory, "build", "--stdout", "main.bicep");
      assert.equal(await exists(join(directory, "main.json")), false);
      assert.equal((await bicep(directory, "build", "main.bicep", "--outfile", "out/x.json")).code, 0);
      assert.equal((await bicep(directory, "build", "main.bicep", "--outdir", "out")).code, 0);
      assert.equal(`${await readFile(join(directory, "out/x.json"), "utf8")}\n`, stdout);
      assert.equal(`${await readFile(join(directory, "out/main.json"), "utf8")}\n`, stdout);
    }));

  test("prints every finding on a line of its own, and writes nothing when there are errors", () =>
    inDirectory(async (directory) => {
      const finished = await bicep(directory, "build", "bad.bicep");
      assert.equal(finished.code, 1);
      assert.equal(finished.stdout, "");
      assert.deepEqual(
        finished.stderr
          .trim()
          .split("\n")
          .map((line) => line.split(":").slice(0, 2).join(":")),
        ["DIR/bad.bicep(1,19) : Error BCP057", "DIR/bad.bicep(2,16) : Error BCP033"],
      );
      assert.equal(await exists(join(directory, "bad.json")), false);
    }));

  test("warnings do not keep it from writing", () =>
    inDirectory(async (directory) => {
      const finished = await bicep(directory, "build", "warning.bicep");
      assert.equal(finished.code, 0);
      assert.match(finished.stderr, /^DIR\/warning\.bicep\(2,19\) : Warning BCP321: /);
      assert.equal(await exists(join(directory, "warning.json")), true);
    }));
});

describe("celestite bicep build-params", () => {
  test("writes a parameters file", () =>
    inDirectory(async (directory) => {
      assert.equal((await bicep(directory, "build-params", "dev.bicepparam")).code, 0);
      const written = JSON.parse(await readFile(join(directory, "dev.json"), "utf8"));
      assert.deepEqual(written.parameters, { names: { value: ["a", "b"] } });
    }));

  test("prints parameters and template in one object", () =>
    inDirectory(async (directory) => {
      const { stdout } = await bicep(directory, "build-params", "dev.bicepparam", "--stdout");
      const printed = JSON.parse(stdout);
      assert.deepEqual(Object.keys(printed), ["parametersJson", "templateJson", "templateSpecId"]);
      assert.deepEqual(JSON.parse(printed.parametersJson).parameters, { names: { value: ["a", "b"] } });
      const { stdout: template } = await bicep(directory, "build", "main.bicep", "--stdout");
      assert.equal(`${printed.templateJson}\n`, template);
      assert.equal(printed.templateSpecId, null);
    }));

  test("refuses parameters for another template", () =>
    inDirectory(async (directory) => {
      const right = await bicep(
        directory,
        "build-params",
        "dev.bicepparam",
        "--bicep-file",
        "main.bicep",
        "--stdout",
      );
      assert.equal(right.code, 0);
      const wrong = await bicep(
        directory,
        "build-params",
        "dev.bicepparam",
        "--bicep-file",
        "bad.bicep",
        "--stdout",
      );
      assert.equal(wrong.code, 1);
      assert.equal(wrong.stdout, "");
      assert.match(wrong.stderr, /bad\.bicep given with --bicep-file is not the one/);
    }));
});

describe("celestite bicep lint and format", () => {
  test("lint prints findings and fails only for errors", () =>
    inDirectory(async (directory) => {
      assert.equal((await bicep(directory, "lint", "bad.bicep")).code, 1);
      const warned = await bicep(directory, "lint", "warning.bicep");
      assert.equal(warned.code, 0);
      assert.match(warned.stderr, /Warning BCP321/);
      assert.equal((await bicep(directory, "lint", "bare.bicepparam")).code, 1);
      assert.deepEqual(
        (await readdir(directory)).filter((name) => name.endsWith(".json")),
        [],
      );
    }));

  test("format writes the file back, or elsewhere", () =>
    inDirectory(async (directory) => {
      const expected = "param a string = 'x'\noutput b string = a\n";
      assert.equal((await bicep(directory, "format", "loose.bicep", "--stdout")).stdout, expected);
      assert.equal(await readFile(join(directory, "loose.bicep"), "utf8"), files["loose.bicep"]);
      assert.equal((await bicep(directory, "format", "loose.bicep")).code, 0);
      assert.equal(await readFile(join(directory, "loose.bicep"), "utf8"), expected);
    }));

  test("format leaves a file that cannot be parsed as it is", () =>
    inDirectory(async (directory) => {
      const file = join(directory, "broken.bicep");
      await writeFile(file, "var a = {\n");
      const finished = await bicep(directory, "format", "broken.bicep");
      assert.equal(finished.code, 1);
      assert.match(finished.stderr, /^DIR\/broken\.bicep\(2,1\) : Error BCP018: /);
      assert.equal(await readFile(file, "utf8"), "var a = {\n");
    }));
});

const mistakes: readonly (readonly [readonly string[], number, RegExp])[] = [
  [[], 2, /Name what to do/],
  [["compile", "main.bicep"], 2, /'compile' is not one of/],
  [["build"], 2, /Name one file/],
  [["build", "main.bicep", "bad.bicep"], 2, /Name one file/],
  [["build", "dev.bicepparam"], 2, /is not a \.bicep file/],
  [["build-params", "main.bicep"], 2, /is not a \.bicepparam file/],
  [["build", "missing.bicep"], 1, /There is no file DIR\/missing\.bicep/],
  [["build", "main.bicep", "--stdout", "--outfile", "out.json"], 2, /exclude each other/],
  [["build", "main.bicep", "--diagnostics-format", "sarif"], 2, /cannot be printed as 'sarif'/],
  [["lint", "main.bicep", "--stdout"], 2, /--stdout/],
  [["format", "main.bicep", "--indent-size", "many"], 2, /--indent-size/],
  [["format", "missing.bicep"], 1, /There is no file/],
  [["install"], 2, /Name the directory/],
  [["build", "main.bicep", "--outfile", "/proc/none/main.json"], 1, /\/proc/],
  [["build", "main.bicep", "--outfile", "main.bicep/main.json"], 1, /main\.bicep/],
];
describe("mistakes get one line and an exit code", () => {
  for (const [args, code, pattern] of mistakes) {
    test(`celestite bicep ${args.join(" ")}`, () =>
      inDirectory(async (directory) => {
        const finished = await bicep(directory, ...args);
        assert.equal(finished.code, code, finished.stderr);
        assert.match(finished.stderr, pattern);
        assert.equal(finished.stderr.trim().split("\n").length, 1);
        assert.equal(finished.stdout, "");
      }));
  }
});

describe("the drop-in executable", () => {
  test("--version has a version that az can read", () =>
    inDirectory(async (directory) => {
      const { code, stdout } = await dropIn(directory, ["--version"]);
      assert.equal(code, 0);
      const version = /^Bicep CLI version (\d+)\.(\d+)\.\d+/.exec(stdout);
      assert.ok(version !== null, stdout);
      assert.ok(Number(version[1]) > 0 || Number(version[2]) >= 30, stdout);
    }));

  test("build --stdout prints nothing but the template, warnings go to standard error", () =>
    inDirectory(async (directory) => {
      const { code, stdout, stderr } = await dropIn(directory, [
        "build",
        "--stdout",
        "warning.bicep",
        "--no-restore",
      ]);
      assert.equal(code, 0);
      assert.equal(JSON.parse(stdout).outputs.b.value, "[parameters('a')]");
      assert.match(
        stderr,
        /^warning\.bicep\(2,19\) : Warning BCP321: .*\[https:\/\/aka\.ms\/bicep\/core-diagnostics#BCP321\]\n$/,
      );
    }));

  test("values of az's own command line win over the parameters file", () =>
    inDirectory(async (directory) => {
      const args = ["build-params", "bare.bicepparam", "--bicep-file", "main.bicep", "--stdout"];
      const without = await dropIn(directory, args);
      assert.equal(without.code, 1);
      assert.match(without.stderr, /bare\.bicepparam\(1,7\) : Error BCP258: /);
      const environment = { BICEP_PARAMETERS_OVERRIDES: JSON.stringify({ names: ["x"], location: "here" }) };
      const { code, stdout } = await dropIn(directory, args, environment);
      assert.equal(code, 0);
      assert.deepEqual(JSON.parse(JSON.parse(stdout).parametersJson).parameters, {
        names: { value: ["x"] },
        location: { value: "here" },
      });
    }));

  test("mistakes are one line and exit code 1", () =>
    inDirectory(async (directory) => {
      for (const args of [
        ["build"],
        ["decompile", "main.json"],
        ["build", "missing.bicep"],
        ["build", "--frob"],
      ]) {
        const { code, stdout, stderr } = await dropIn(directory, args);
        assert.equal(code, 1, stderr);
        assert.equal(stdout, "");
        assert.equal(stderr.trim().split("\n").length, 1, stderr);
      }
      const overrides = await dropIn(directory, ["build-params", "dev.bicepparam"], {
        BICEP_PARAMETERS_OVERRIDES: "[1]",
      });
      assert.equal(overrides.code, 1);
      assert.match(overrides.stderr, /must be a JSON object/);
    }));

  test("install puts an executable where az looks, and replaces only its own", () =>
    inDirectory(async (directory) => {
      const bin = join(directory, "out bin");
      const installed = await bicep(directory, "install", "--to", bin);
      assert.equal(installed.code, 0, installed.stderr);
      const { stdout } = await promisify(execFile)(join(bin, "bicep"), ["--version"]);
      assert.match(stdout, /^Bicep CLI version /);
      assert.equal((await bicep(directory, "install", "--to", bin)).code, 0);
      await writeFile(join(bin, "bicep"), "#!/bin/sh\necho other\n");
      const refused = await bicep(directory, "install", "--to", bin);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /is another program/);
      assert.equal((await bicep(directory, "install", "--to", bin, "--force")).code, 0);
    }));
});
