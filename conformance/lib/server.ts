/** The server under test: the shipped command line, in a process of its own, with the conformance template deployed. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { asAccount, type Conversation, converse, type Finished, run } from "./processes.ts";
import type { Account, ThrowAway } from "./throw-away.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
export const cli: string = join(root, "dist/src/main.js");

export interface ServerUnderTest {
  readonly data: string;
  /** Environment under which our command line finds this server. */
  readonly env: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  /** Whose it is, unless ours. */
  readonly account?: Account;
  /** The Node that runs our own programs. */
  readonly node: string;
  /** The folder with our own programs, as the server's user reaches it. */
  readonly programs: string;
  celestite(...args: string[]): Promise<Finished>;
  /** Starts a command and keeps it open. */
  open(...args: string[]): Conversation;
  stop(): Promise<void>;
}

/** Starts it, and its command line later, as ourselves or as the user of `throwAway`. */
export async function startServer(throwAway?: ThrowAway): Promise<ServerUnderTest> {
  const account = throwAway?.account;
  const place =
    throwAway?.reach(root, ["dist", "node_modules", "package.json", "conformance/main.json"]) ?? root;
  const node = throwAway?.reach(process.execPath) ?? process.execPath;
  const program = join(place, "dist/src/main.js");
  const data = await mkdtemp(join(tmpdir(), "celestite-conformance-"));
  if (account !== undefined) await chown(data, account.uid, account.gid);
  const child = spawn(node, [program, "start", "--data", data, "--any-ports", "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
    ...asAccount(account, process.env),
  });
  const status = JSON.parse(await firstOutput(child)) as {
    readonly subscriptionId: string;
    readonly tenantId: string;
    readonly endpoints: { readonly arm: string; readonly authority: string };
  };
  const env = { CELESTITE_DATA: data };
  let cosmosAccount: string | undefined;
  const celestite = (...args: string[]): Promise<Finished> =>
    run(node, [program, ...withAccount(args, cosmosAccount)], { env, account });
  const open = (...args: string[]): Conversation =>
    converse(node, [program, ...withAccount(args, cosmosAccount)], env, account);
  const stop = async (): Promise<void> => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode === null) {
      child.kill("SIGTERM");
      await ended;
    }
    await rm(data, { recursive: true, force: true });
  };
  const deployed = await celestite(
    "deploy",
    join(place, "conformance/main.json"),
    "-g",
    "conformance",
    "--json",
  );
  if (deployed.code !== 0) {
    await stop();
    throw new Error(`the conformance template could not be deployed:\n${deployed.stderr}`);
  }
  const { properties } = JSON.parse(deployed.stdout) as {
    properties: { outputs: Record<string, { value: string }> };
  };
  const outputs = Object.fromEntries(
    Object.entries(properties.outputs).map(([name, output]) => [name, output.value]),
  );
  cosmosAccount = outputs["accountName"];
  const assigned = await celestite(...ownerAssignment(status.subscriptionId, outputs["operatorPrincipalId"]));
  if (assigned.code !== 0) {
    await stop();
    throw new Error(`the operator's role could not be assigned:\n${assigned.stderr}`);
  }
  const { subscriptionId, tenantId, endpoints } = status;
  return {
    data,
    env,
    outputs: { ...outputs, subscriptionId, tenantId, arm: endpoints.arm, authority: endpoints.authority },
    ...(account === undefined ? {} : { account }),
    node,
    programs: join(place, "dist/conformance"),
    celestite,
    open,
    stop,
  };
}

/** The built-in Azure role that the identity of the control-plane tests holds on the subscription. */
const ownerRole = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

/** The command that makes `principalId` the owner of the subscription. */
function ownerAssignment(subscriptionId: string, principalId: string | undefined): readonly string[] {
  const authorization = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization`;
  const roleDefinitionId = `${authorization}/roleDefinitions/${ownerRole}`;
  const properties = { roleDefinitionId, principalId, principalType: "ServicePrincipal" };
  const path = `${authorization}/roleAssignments/${randomUUID()}?api-version=2022-04-01`;
  return ["rest", "PUT", path, "--body", JSON.stringify({ properties })];
}

/** The template has two accounts; COSMOS_ENDPOINT is to be that of the one without keys. */
export function withAccount(args: readonly string[], account: string | undefined): readonly string[] {
  const [command = "", ...rest] = args;
  const needsOne = (command === "run" || command === "env") && account !== undefined;
  return needsOne ? [command, "--account", account, ...rest] : args;
}

/** The first line that the server prints: what listens, as JSON. */
function firstOutput(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (part: Buffer) => {
      text += part.toString();
      if (text.includes("\n")) resolve(text);
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it was ready`)));
  });
}
