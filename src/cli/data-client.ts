/** The data plane as the data commands use it: signed with an account key that ARM gives the bootstrap user. */
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Agent, request as httpsRequest } from "node:https";
import { textToSign } from "../authz/account-key.ts";
import type { Clock } from "../clock.ts";
import type { AccountStatus, ServerStatus } from "../operator/gateway.ts";
import { version } from "../version.ts";
import { CommandError } from "./command.ts";
import { operator, requireArm, type Server } from "./server.ts";

export type Item = Readonly<Record<string, unknown>> & { readonly id: string };

export interface DataClient {
  /** Paths of the container's partition key. */
  readonly partitionKeyPaths: readonly string[];
  /** The container's default time to live; `undefined` while expiry is off. */
  readonly defaultTtl: number | undefined;
  /** Every item that a query finds, page by page. */
  query(
    text: string,
    parameters: readonly { name: string; value: unknown }[],
    key?: string,
  ): AsyncGenerator<Item>;
  deleteItem(item: Item): Promise<void>;
  /** Lets an item expire so many seconds after now. */
  expireItem(item: Item, seconds: number): Promise<void>;
  deletePartition(key: string): Promise<void>;
  close(): void;
}

/** By which `celestite audit keys` and the logs tell these requests from a program's. */
const userAgent = `celestite/${version} (celestite data)`;

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Record<string, unknown>;
}

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  /** What the signature is about, when the path does not say it. */
  readonly signed?: { readonly type: string; readonly link: string };
}

/** Opens a container, named `DATABASE/CONTAINER`; CommandError when it is not there or keys are switched off. */
export async function openData(
  server: Server,
  account: AccountStatus,
  container: string,
  clock: Clock,
): Promise<DataClient> {
  const [database, name, extra] = container.split("/");
  if (!database || !name || extra !== undefined)
    throw new CommandError("Name the container as DATABASE/CONTAINER.");
  const { caFile } = await operator<ServerStatus>(server, "GET", "status");
  const keys = await requireArm(server, "POST", `${account.resourceId}/listKeys?api-version=2024-08-15`);
  const key = Buffer.from(String(keys["primaryMasterKey"]), "base64");
  const agent = new Agent({ ca: await readFile(caFile), keepAlive: true });
  const link = `dbs/${database}/colls/${name}`;
  const path = `/${link.split("/").map(encodeURIComponent).join("/")}`;
  const send = (method: string, target: string, sent: Sent = {}): Promise<Reply> => {
    const date = new Date(clock.now()).toUTCString();
    const { type, link: signedLink } = sent.signed ?? { type: "docs", link };
    const text = textToSign(method, type, signedLink, date, false);
    const signature = createHmac("sha256", key).update(text, "utf8").digest("base64");
    const authorization = encodeURIComponent(`type=master&ver=1.0&sig=${signature}`);
    const own = { authorization, "x-ms-date": date, "x-ms-version": "2018-12-31", "user-agent": userAgent };
    const headers = { ...own, ...sent.headers };
    return sendRequest(new URL(target, account.endpoint), { method, agent, headers }, sent.json);
  };
  const found = await require2xx(send("GET", path, { signed: { type: "colls", link } }));
  const definition = found.body as { partitionKey?: { paths?: string[] }; defaultTtl?: number };
  const partitionKeyPaths = definition.partitionKey?.paths ?? [];
  const itemPath = (item: Item): string => `${path}/docs/${encodeURIComponent(item.id)}`;
  const itemSigned = (item: Item) => ({ type: "docs", link: `${link}/docs/${item.id}` });
  const keyHeader = (value: string) => ({ "x-ms-documentdb-partitionkey": value });
  return {
    partitionKeyPaths,
    defaultTtl: definition.defaultTtl,
    query: (text, parameters, partition) =>
      pages(send, `${path}/docs`, { query: text, parameters }, partition),
    async deleteItem(item) {
      const headers = keyHeader(partitionKeyOf(item, partitionKeyPaths));
      const reply = await send("DELETE", itemPath(item), { headers, signed: itemSigned(item) });
      if (reply.status !== 404) await require2xx(reply);
    },
    async expireItem(item, seconds) {
      const headers = keyHeader(partitionKeyOf(item, partitionKeyPaths));
      const json = { operations: [{ op: "set", path: "/ttl", value: seconds }] };
      await require2xx(send("PATCH", itemPath(item), { headers, json, signed: itemSigned(item) }));
    },
    async deletePartition(partition) {
      const signed = { type: "partitionkey", link };
      const target = `${path}/operations/partitionkeydelete`;
      await require2xx(send("POST", target, { headers: keyHeader(partition), signed }));
    },
    close: () => agent.destroy(),
  };
}

async function* pages(
  send: (method: string, target: string, sent: Sent) => Promise<Reply>,
  target: string,
  json: object,
  partition: string | undefined,
): AsyncGenerator<Item> {
  let continuation: string | undefined;
  do {
    const headers = {
      "content-type": "application/query+json",
      "x-ms-documentdb-isquery": "true",
      ...(partition === undefined
        ? { "x-ms-documentdb-query-enablecrosspartition": "true" }
        : { "x-ms-documentdb-partitionkey": partition }),
      ...(continuation === undefined ? {} : { "x-ms-continuation": continuation }),
    };
    const reply = await require2xx(send("POST", target, { headers, json }));
    yield* reply.body["Documents"] as readonly Item[];
    const next = reply.headers["x-ms-continuation"];
    continuation = typeof next === "string" && next !== "" ? next : undefined;
  } while (continuation !== undefined);
}

/** The partition key of an item as its header wants it; `{}` stands for a missing value. */
function partitionKeyOf(item: Item, paths: readonly string[]): string {
  const values = paths.map((path) => {
    const value = path
      .split("/")
      .slice(1)
      .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], item);
    return value === undefined ? {} : value;
  });
  return JSON.stringify(values);
}

async function require2xx(sending: Reply | Promise<Reply>): Promise<Reply> {
  const reply = await sending;
  if (reply.status < 300) return reply;
  const message = String(reply.body["message"] ?? "").split("\r\n")[0];
  throw new CommandError(`The account answered ${reply.status}: ${message}`);
}

function sendRequest(url: URL, options: object, json: unknown): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
    outgoing.on("error", reject);
    outgoing.end(json === undefined ? undefined : JSON.stringify(json));
  });
}
