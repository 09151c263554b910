/** Microsoft.Features: preview features of a subscription, which people register before they use what is behind them. */

import { findNamespace } from "../../azure/api-versions.ts";
import { clip, invalidNamespace } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import { type Call, type Operation, type Outcome, type Provider, parameter } from "../operation.ts";
import { armLock, getRecord, listRecords, putRecord } from "../records.ts";

const root = "/subscriptions/{subscription}/providers/Microsoft.Features";
const ofNamespace = `${root}/providers/{namespace}/features`;
const one = `${ofNamespace}/{feature}`;
const type = "Microsoft.Features/providers/features";
const scope = "/subscriptions/{subscription}";

interface FeatureRecord {
  readonly namespace: string;
  readonly feature: string;
  readonly state: "Registered" | "Unregistered";
}

const operations: readonly Operation[] = [
  { method: "GET", path: one, action: `${type}/read`, scope, handler: readFeature },
  {
    method: "POST",
    path: `${one}/register`,
    action: `${type}/register/action`,
    scope,
    handler: (call) => setState(call, "Registered"),
  },
  {
    method: "POST",
    path: `${one}/unregister`,
    action: `${type}/unregister/action`,
    scope,
    handler: (call) => setState(call, "Unregistered"),
  },
  { method: "GET", path: ofNamespace, action: `${type}/read`, scope, handler: listFeatures },
  {
    method: "GET",
    path: `${root}/features`,
    action: "Microsoft.Features/features/read",
    scope,
    handler: listFeatures,
  },
];

export const featuresProvider: Provider = { operations };

function namespaceOf(call: Call): string {
  const name = parameter(call, "namespace");
  const known = findNamespace(name);
  if (known === undefined) throw invalidNamespace(name);
  return known.namespace;
}

function keyOf(call: Call, namespace: string): readonly string[] {
  const feature = parameter(call, "feature").toLowerCase();
  return ["feature", parameter(call, "subscription").toLowerCase(), namespace.toLowerCase(), feature];
}

async function readFeature(call: Call): Promise<Outcome> {
  const namespace = namespaceOf(call);
  const known = await getRecord<FeatureRecord>(call.plane.store, keyOf(call, namespace));
  const feature = clip(parameter(call, "feature"));
  return { status: 200, body: render(call, known ?? { namespace, feature, state: "Unregistered" }) };
}

/** Registering is immediate here; in the service it may take an hour. */
function setState(call: Call, state: FeatureRecord["state"]): Promise<Outcome> {
  const namespace = namespaceOf(call);
  const record: FeatureRecord = { namespace, feature: clip(parameter(call, "feature")), state };
  return call.plane.store.transact([armLock], async (transaction) => {
    putRecord(transaction, keyOf(call, namespace), record);
    return { status: 200, body: render(call, record) };
  });
}

/** The features that were ever registered, of one namespace or all. */
async function listFeatures(call: Call): Promise<Outcome> {
  const prefix = ["feature", parameter(call, "subscription").toLowerCase()];
  const namespace = call.parameters.has("namespace") ? [namespaceOf(call).toLowerCase()] : [];
  const found = await listRecords<FeatureRecord>(call.plane.store, [...prefix, ...namespace]);
  return { status: 200, body: { value: found.map((record) => render(call, record)) } };
}

function render(call: Call, { namespace, feature, state }: FeatureRecord): JsonObject {
  const subscription = parameter(call, "subscription");
  return {
    id: `/subscriptions/${subscription}/providers/Microsoft.Features/providers/${namespace}/features/${feature}`,
    name: `${namespace}/${feature}`,
    type,
    properties: { state },
  };
}
