/**
 * The first process inside a sandbox: it has the namespaces that `unshare` made and root in them, gives the loopback
 * interface its addresses, puts our hosts file and certificates in place, forwards connections to the server's unix
 * sockets outside, and then runs the program as the user who asked. Its exit code is the program's.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { constants } from "node:os";

/** One address inside and the unix socket outside that it leads to. */
export interface Forward {
  readonly address: string;
  readonly port: number;
  readonly socket: string;
}

/** What `run` tells the sandbox, as JSON in the first argument. */
export interface SandboxPlan {
  readonly forwards: readonly Forward[];
  /** Further IPv4 addresses that the loopback interface answers for. */
  readonly addresses: readonly string[];
  /** Files to put in the place of others: `[ours, theirs]`; skipped where there is nothing to replace. */
  readonly binds: readonly (readonly [string, string])[];
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly userId: number;
  readonly groupId: number;
}

const metadataAddress = "169.254.169.254";

function prepare(plan: SandboxPlan): void {
  const ip = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"].find((path) => existsSync(path));
  if (ip === undefined) throw new Error("the program 'ip' (iproute2) is missing");
  execFileSync(ip, ["link", "set", "lo", "up"]);
  for (const address of [metadataAddress, ...plan.addresses]) {
    execFileSync(ip, ["address", "add", `${address}/32`, "dev", "lo"]);
  }
  for (const [ours, theirs] of plan.binds) {
    if (existsSync(theirs)) execFileSync("mount", ["--bind", ours, theirs]);
  }
}

function forward({ address, port, socket }: Forward): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (inner) => {
    const outer = connect({ path: socket, allowHalfOpen: true });
    inner.on("error", () => outer.destroy());
    outer.on("error", () => inner.resetAndDestroy());
    inner.pipe(outer);
    outer.pipe(inner);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, resolve);
  });
}

/** The program as its own user again: a namespace within ours that maps root here to the id it has outside. */
function commandLine({ command, userId, groupId }: SandboxPlan): readonly string[] {
  if (userId === 0) return command;
  return ["unshare", "--user", `--map-user=${userId}`, `--map-group=${groupId}`, "--", ...command];
}

function runProgram(plan: SandboxPlan): void {
  const [file = "", ...args] = commandLine(plan);
  const child = spawn(file, args, { stdio: "inherit", env: plan.environment });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => void child.kill(signal));
  }
  child.once("error", (error: NodeJS.ErrnoException) => {
    const cause = error.code === "ENOENT" ? "there is no such program" : error.message;
    process.stderr.write(`celestite run: Cannot start '${file}': ${cause}.\n`);
    process.exit(127);
  });
  child.once("exit", (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
}

try {
  const plan = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as SandboxPlan;
  prepare(plan);
  await Promise.all(plan.forwards.map(forward));
  runProgram(plan);
} catch (error) {
  const detail = error instanceof Error ? error.message.split("\n")[0] : String(error);
  process.stderr.write(
    `celestite run: The sandbox could not be prepared: ${detail}. Use --front env or proxy.\n`,
  );
  process.exit(1);
}
