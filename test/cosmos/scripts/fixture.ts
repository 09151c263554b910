/** A data plane with one container for tests of server-side JavaScript: registers scripts and runs them. */
import assert from "node:assert/strict";
import type { ScriptLimits } from "../../../src/cosmos/scripts/protocol.ts";
import type { Reply } from "../../../src/http/service.ts";
import { bodyOf, type CosmosFixture, openCosmosFixture } from "../fixture.ts";

export const orders = "/dbs/shop/colls/orders";
export const pk: Readonly<Record<string, string>> = { "x-ms-documentdb-partitionkey": '["a"]' };

/** Source text of a script; a function stands for its own text, so that it is written as code. */
export type Source = string | ((...args: never[]) => unknown);

export interface ScriptFixture extends CosmosFixture {
  /** Registers a script; 201 or fails. */
  register(kind: "sprocs" | "triggers" | "udfs", resource: Readonly<Record<string, unknown>>): Promise<void>;
  /** Registers a stored procedure under a new id and executes it in partition "a". */
  run(source: Source, args?: readonly unknown[], headers?: Record<string, string>): Promise<Reply>;
  /** Executes a registered stored procedure. */
  execute(id: string, args?: readonly unknown[], headers?: Record<string, string>): Promise<Reply>;
  /** Puts items into partition "a". */
  seed(...items: readonly Readonly<Record<string, unknown>>[]): Promise<void>;
  /** Ids of all items of partition "a", in their order. */
  ids(): Promise<readonly string[]>;
  query(text: string, headers?: Record<string, string>): Promise<Reply>;
}

export async function openScriptFixture(scriptLimits?: ScriptLimits): Promise<ScriptFixture> {
  const fixture = await openCosmosFixture(scriptLimits === undefined ? {} : { scriptLimits });
  let count = 0;
  const register: ScriptFixture["register"] = async (kind, resource) => {
    const body = { ...resource, body: String(resource["body"]) };
    const reply = await fixture.sendSigned("POST", `${orders}/${kind}`, { body });
    assert.equal(reply.status, 201, String(reply.body));
  };
  const execute: ScriptFixture["execute"] = (id, args = [], headers = {}) =>
    fixture.sendSigned("POST", `${orders}/sprocs/${id}`, { body: args, headers: { ...pk, ...headers } });
  const query: ScriptFixture["query"] = (text, headers = {}) =>
    fixture.sendSigned("POST", `${orders}/docs`, {
      body: { query: text },
      headers: { "x-ms-documentdb-isquery": "true", ...pk, ...headers },
    });
  return {
    ...fixture,
    register,
    execute,
    query,
    async run(source, args, headers) {
      const id = `script${++count}`;
      await register("sprocs", { id, body: source });
      return execute(id, args, headers);
    },
    async seed(...items) {
      for (const item of items) {
        const body = { pk: "a", ...item };
        const reply = await fixture.sendSigned("POST", `${orders}/docs`, { body, headers: pk });
        assert.equal(reply.status, 201, String(reply.body));
      }
    },
    async ids() {
      const reply = await query("SELECT VALUE c.id FROM c", { "x-ms-max-item-count": "1000" });
      return bodyOf(reply)["Documents"] as readonly string[];
    },
  };
}

/** The value that a script answered with. */
export function answerOf(reply: Reply): unknown {
  assert.equal(reply.status, 200, String(reply.body));
  return JSON.parse(Buffer.from(reply.body ?? "").toString("utf8"));
}

/** The service's text of a refusal, without the activity id. */
export function messageOf(reply: Reply): string {
  const message = String(bodyOf(reply)["message"]).split("\r\nActivityId:")[0] ?? "";
  const listed = JSON.parse(message.replace(/^Message: /, "")) as { readonly Errors: readonly string[] };
  return listed.Errors[0] ?? "";
}
