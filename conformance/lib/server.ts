/** The server under test: the shipped command line, in a process of its own, with the conformance template deployed. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Finished, run } from "./processes.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
export const cli: string = join(root, "dist/src/main.js");

export interface ServerUnderTest {
  readonly data: string;
  /** Environment under which our command line finds this server. */
  readonly env: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  celestite(...args: string[]): Promise<Finished>;
  stop(): Promise<void>;
}

export async function startServer(): Promise<ServerUnderTest> {
  const data = await mkdtemp(join(tmpdir(), "celestite-conformance-"));
  const child = spawn(process.execPath, [cli, "start", "--data", data, "--any-ports", "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const status = JSON.parse(await firstOutput(child)) as {
    readonly subscriptionId: string;
    readonly tenantId: string;
    readonly endpoints: { readonly arm: string };
  };
  const env = { CELESTITE_DATA: data };
  let account: string | undefined;
  const celestite = (...args: string[]): Promise<Finished> =>
    run(process.execPath, [cli, ...withAccount(args, account)], { env });
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
    join(root, "conformance/main.json"),
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
  account = outputs["accountName"];
  const subscription = `/subscriptions/${status.subscriptionId}`;
  const assigned = await celestite(
    "rest",
    "PUT",
    `${subscription}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}?api-version=2022-04-01`,
    "--body",
    JSON.stringify({
      properties: {
        roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${ownerRole}`,
        principalId: outputs["operatorPrincipalId"],
        principalType: "ServicePrincipal",
      },
    }),
  );
  if (assigned.code !== 0) {
    await stop();
    throw new Error(`the operator's role could not be assigned:\n${assigned.stderr}`);
  }
  const { subscriptionId, tenantId, endpoints } = status;
  return {
    data,
    env,
    outputs: { ...outputs, subscriptionId, tenantId, arm: endpoints.arm },
    celestite,
    stop,
  };
}

/** The built-in Azure role that the identity of the control-plane tests holds on the subscription. */
const ownerRole = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

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
