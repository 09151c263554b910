/**
 * How fast tokens are issued and taken: client credentials through the authority's own phases, a managed identity's
 * token with the proof by its certificate, and the check of a token seen before. Beside issuing, nothing but the RSA
 * signature that each token needs, made in the same thread pool. One process, no sockets.
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { performance } from "node:perf_hooks";
import { openEntropy, systemClock } from "../../src/clock.ts";
import type { Service } from "../../src/http/service.ts";
import { directoryLock } from "../../src/identity/control.ts";
import { type Identity, openIdentity } from "../../src/identity/identity.ts";
import { openMemory } from "../../src/storage/memory.ts";
import { median } from "../machine.ts";
import { formatRatio, type WorkloadResult } from "../results.ts";
import { lookMilliseconds } from "../rounds.ts";
import type { Workload } from "./workload.ts";

const resourceId =
  "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/bench";
const rounds = 5;
/** Requests in a round, this many in flight. */
const issuedPerRound = 1500;
const inFlight = 16;
const checkedPerRound = 50_000;

interface Room {
  readonly identity: Identity;
  /** One token by client credentials; rejects when it is not granted. */
  clientToken(): Promise<void>;
  managedToken(): Promise<void>;
}

export const tokensWorkload: Workload = {
  name: "tokens",
  summary: "issuing tokens and checking known ones, by themselves",
  async run({ settings }) {
    const room = await openRoom();
    const token = (
      await room.identity.issueFor(room.identity.directory.bootstrapUserId, "https://cosmos.azure.com")
    ).accessToken;
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const input = Buffer.from(token.slice(0, 1200));
    const signature = (): Promise<void> =>
      new Promise((resolve, reject) => {
        sign("RSA-SHA256", input, privateKey, (error) => (error === null ? resolve() : reject(error)));
      });
    const rates = { client: [] as number[], managed: [] as number[], bare: [] as number[] };
    const known: number[] = [];
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      await settings.watch.look(lookMilliseconds);
      rates.client.push(await perSecond(room.clientToken));
      rates.managed.push(await perSecond(room.managedToken));
      rates.bare.push(await perSecond(signature));
      known.push(await microsecondsOfChecks(room.identity, token));
    }
    await room.identity.close();
    const middle = (values: readonly number[]): number => median(values.slice(1));
    return resultOf(middle(rates.client), middle(rates.managed), middle(rates.bare), middle(known));
  },
};

async function openRoom(): Promise<Room> {
  const [clock, entropy, store] = [systemClock, openEntropy(), openMemory()];
  const identity = await openIdentity({
    store,
    clock,
    entropy,
    domain: "bench.local",
    knownResource: () => false,
  });
  const { appId } = await identity.applications.add({ displayName: "bench" });
  const { secretText } = await identity.applications.addSecret(appId);
  await store.transact([directoryLock], (transaction) =>
    identity.control.putUserAssigned(transaction, resourceId, "bench"),
  );
  const { id } = identity.managed.workloads.register({ identities: [resourceId] });
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: appId,
    client_secret: secretText,
    scope: "https://cosmos.azure.com/.default",
  });
  const body = Buffer.from(form.toString());
  const target = `/${identity.tenantId}/oauth2/v2.0/token`;
  const query = "api-version=2018-02-01&resource=https%3A%2F%2Fcosmos.azure.com";
  const imds = identity.managed.imds(id);
  const noBody = new Uint8Array();
  const ask = async (service: Service, request: Omit<Parameters<Service>[0], "origin" | "remoteAddress">) => {
    const reply = await service({ ...request, origin: "https://localhost:8072", remoteAddress: "127.0.0.1" });
    if (reply.status !== 200) throw new Error(`no token was issued: ${String(reply.body)}`);
  };
  const formHeaders = { "content-type": "application/x-www-form-urlencoded" };
  return {
    identity,
    clientToken: () => ask(identity.authority, { method: "POST", target, headers: formHeaders, body }),
    managedToken: () =>
      ask(imds, {
        method: "GET",
        target: `/metadata/identity/oauth2/token?${query}`,
        headers: { metadata: "true" },
        body: noBody,
      }),
  };
}

async function perSecond(act: () => Promise<void>): Promise<number> {
  let left = issuedPerRound;
  const started = performance.now();
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await act();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  return (issuedPerRound * 1000) / (performance.now() - started);
}

async function microsecondsOfChecks({ verifier }: Identity, token: string): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < checkedPerRound; i++) {
    const verdict = verifier(token);
    if (!("ok" in verdict ? verdict.ok : (await verdict).ok)) throw new Error("the token was refused");
  }
  return ((performance.now() - started) * 1000) / checkedPerRound;
}

function resultOf(client: number, managed: number, bare: number, known: number): WorkloadResult {
  return {
    workload: "tokens",
    title: "Tokens",
    description: `Issuing access tokens, ${inFlight} requests in flight, and checking one that was seen before; in one process without sockets.`,
    columns: [{ title: "per second", digits: 0 }],
    ratioTitle: "of the bare signatures",
    rows: [
      {
        subject: "client secret",
        what: "tokens by client credentials with a secret",
        values: [client],
        ratio: client / bare,
      },
      {
        subject: "metadata service",
        what: "tokens of a managed identity, proven by its certificate each time",
        values: [managed],
        ratio: managed / bare,
      },
      {
        subject: "node:crypto",
        what: "RSA-2048 signatures in the same thread pool, nothing else",
        values: [bare],
      },
    ],
    budgets: [
      { what: "at least 1 500 tokens per second", measured: client.toFixed(0), met: client >= 1500 },
      { what: "known token checked below 20 µs", measured: `${known.toFixed(2)} µs`, met: known < 20 },
    ],
    notes: [`${formatRatio(client / bare)} × the rate of the signatures that the tokens need`],
  };
}
