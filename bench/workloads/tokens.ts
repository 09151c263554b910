/**
 * How fast tokens are issued and taken: client credentials through the authority's own phases, a managed identity's
 * token with the proof by its certificate, and the check of a token seen before. Beside issuing, nothing but the RSA
 * signature that each token needs, made in the same thread pool. One process, no sockets. What is judged is the rate of
 * one core: the processor time of the whole process, its thread pool included, in place of the time that passed.
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
    const rates = { client: [] as Rate[], managed: [] as Rate[], bare: [] as Rate[] };
    const known: number[] = [];
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      await settings.watch.look(lookMilliseconds);
      rates.client.push(await rateOf(room.clientToken));
      rates.managed.push(await rateOf(room.managedToken));
      rates.bare.push(await rateOf(signature));
      known.push(await microsecondsOfChecks(room.identity, token));
    }
    await room.identity.close();
    return resultOf(middle(rates.client), middle(rates.managed), middle(rates.bare), median(known.slice(1)));
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

interface Rate {
  /** By the clock on the wall, with all cores that are free. */
  readonly perSecond: number;
  /** By processor time. */
  readonly perCoreSecond: number;
}

/** The middle of each figure, without the first round. */
function middle(rates: readonly Rate[]): Rate {
  const counted = rates.slice(1);
  return {
    perSecond: median(counted.map(({ perSecond }) => perSecond)),
    perCoreSecond: median(counted.map(({ perCoreSecond }) => perCoreSecond)),
  };
}

async function rateOf(act: () => Promise<void>): Promise<Rate> {
  let left = issuedPerRound;
  const startedCpu = process.cpuUsage();
  const started = performance.now();
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await act();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  const perSecond = (issuedPerRound * 1000) / (performance.now() - started);
  const { user, system } = process.cpuUsage(startedCpu);
  return { perSecond, perCoreSecond: (issuedPerRound * 1e6) / (user + system) };
}

async function microsecondsOfChecks({ verifier }: Identity, token: string): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < checkedPerRound; i++) {
    const verdict = verifier(token);
    if (!("ok" in verdict ? verdict.ok : (await verdict).ok)) throw new Error("the token was refused");
  }
  return ((performance.now() - started) * 1000) / checkedPerRound;
}

function resultOf(client: Rate, managed: Rate, bare: Rate, known: number): WorkloadResult {
  const values = ({ perCoreSecond, perSecond }: Rate): readonly number[] => [perCoreSecond, perSecond];
  const ratio = ({ perCoreSecond }: Rate): number => perCoreSecond / bare.perCoreSecond;
  const measured = client.perCoreSecond;
  return {
    workload: "tokens",
    title: "Tokens",
    description: `Issuing access tokens, ${inFlight} requests in flight, and checking one that was seen before; in one process without sockets.`,
    columns: [
      { title: "per second of one core", digits: 0 },
      { title: "per second, all cores", digits: 0 },
    ],
    ratioTitle: "of the bare signatures",
    rows: [
      {
        subject: "client secret",
        what: "tokens by client credentials with a secret",
        values: values(client),
        ratio: ratio(client),
      },
      {
        subject: "metadata service",
        what: "tokens of a managed identity, proven by its certificate each time",
        values: values(managed),
        ratio: ratio(managed),
      },
      {
        subject: "node:crypto",
        what: "RSA-2048 signatures in the same thread pool, nothing else",
        values: values(bare),
      },
    ],
    budgets: [
      {
        what: "at least 1 500 tokens per second of one core",
        measured: measured.toFixed(0),
        met: measured >= 1500,
      },
      { what: "known token checked below 20 µs", measured: `${known.toFixed(2)} µs`, met: known < 20 },
    ],
    notes: [`${formatRatio(ratio(client))} × the rate of the signatures that the tokens need`],
  };
}
