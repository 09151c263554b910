/** A server that is killed in the middle of a deployment: its record says so, and deploying again finishes the work. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { arm, operator, requireServer, type Server } from "../../../src/cli/server.ts";
import type { ServerStatus } from "../../../src/operator/gateway.ts";
import { cli, withDirectory } from "../../fixtures.ts";

const copies = 400;

const template = {
  $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  contentVersion: "1.0.0.0",
  resources: [
    {
      type: "Microsoft.ManagedIdentity/userAssignedIdentities",
      apiVersion: "2023-01-31",
      name: "[concat('id', copyIndex())]",
      location: "westeurope",
      copy: { name: "loop", count: copies },
    },
  ],
};

interface Running {
  readonly child: ChildProcess;
  readonly server: Server;
  readonly group: string;
}

async function start(data: string): Promise<Running> {
  const command = [cli, "start", "--data", data, "--any-ports", "--json"];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve, reject) => {
    child.stdout?.once("data", resolve);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  const server = await requireServer(data);
  const { subscriptionId } = await operator<ServerStatus>(server, "GET", "status");
  return { child, server, group: `/subscriptions/${subscriptionId}/resourceGroups/killed` };
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown> {
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  return exit;
}

const version = "api-version=2024-03-01";

async function waitFor<T>(what: string, read: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    assert.ok(performance.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function stateOf({
  server,
  group,
}: Running): Promise<{ provisioningState: string; error?: { code: string } }> {
  const path = `${group}/providers/Microsoft.Resources/deployments/long?${version}`;
  const { body } = await arm(server, "GET", path);
  return body["properties"] as { provisioningState: string };
}

async function identities({ server, group }: Running): Promise<number> {
  const { body } = await arm(server, "GET", `${group}/resources?${version}`);
  return (body["value"] as readonly unknown[]).length;
}

test("a killed server leaves a deployment that says so, and running it again completes it", () =>
  withDirectory(async (directory) => {
    const data = join(directory, "data");
    const body = { properties: { mode: "Incremental", template } };
    const first = await start(data);
    await arm(first.server, "PUT", `${first.group}?${version}`, { location: "westeurope" });
    const path = `${first.group}/providers/Microsoft.Resources/deployments/long`;
    const put = arm(first.server, "PUT", `${path}?${version}`, body).catch(() => undefined);
    await waitFor("some steps", async () => {
      const { status, body: steps } = await arm(first.server, "GET", `${path}/operations?${version}`);
      return status === 200 && (steps["value"] as readonly unknown[]).length >= 5 ? true : undefined;
    });
    await ended(first.child, "SIGKILL");
    await put;

    const second = await start(data);
    try {
      const { provisioningState, error } = await stateOf(second);
      assert.equal(provisioningState, "Failed");
      assert.equal(error?.code, "DeploymentInterrupted");
      const made = await identities(second);
      assert.ok(made >= 5 && made < copies, `${made} of ${copies} were made before the end`);
      const again = await arm(second.server, "PUT", `${path}?${version}`, body);
      assert.ok(again.status < 300, JSON.stringify(again.body));
      const done = await waitFor("the second run", async () => {
        const state = await stateOf(second);
        return ["Running", "Accepted"].includes(state.provisioningState) ? undefined : state;
      });
      assert.equal(done.provisioningState, "Succeeded");
      assert.equal(await identities(second), copies);
    } finally {
      await ended(second.child, "SIGTERM");
    }
  }));
