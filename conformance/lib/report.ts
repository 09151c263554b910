/** Counting what passed and failed, one line each, as the steps run. */

export interface Report {
  check(name: string, holds: boolean, detail?: string): void;
  /** Adds the counts of a runner that reported by itself. */
  add(name: string, passed: number, failed: number): void;
  readonly passed: number;
  readonly failed: number;
}

export function createReport(out: (text: string) => void): Report {
  let passed = 0;
  let failed = 0;
  return {
    check(name, holds, detail = "") {
      if (holds) passed++;
      else failed++;
      out(
        `${holds ? "ok" : "not ok"} - ${name}${holds || detail === "" ? "" : `\n    ${detail.replaceAll("\n", "\n    ")}`}\n`,
      );
    },
    add(name, more, broken) {
      passed += more;
      failed += broken;
      out(`${broken === 0 && more > 0 ? "ok" : "not ok"} - ${name}: ${more} passed, ${broken} failed\n`);
    },
    get passed() {
      return passed;
    },
    get failed() {
      return failed;
    },
  };
}
