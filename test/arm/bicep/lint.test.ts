/** The linter: which habits each rule finds, and which it leaves alone. */
import { describe } from "node:test";
import { compileBicepParameters } from "../../../src/arm/bicep/compile.ts";
import { accessTo, type Case, compileCase, positions, runTable } from "./table.ts";

function run(each: Case): string {
  const [path = ""] = each.files.keys();
  const { diagnostics } = path.endsWith(".bicepparam")
    ? compileBicepParameters({ path, ...accessTo(each.files) })
    : compileCase(each);
  return positions(diagnostics).join("\n");
}

describe("habits", () => runTable("lint.table", run));
