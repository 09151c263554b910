/** `celestite webhook`: the manifest that makes a Kubernetes cluster send its pods to the server's admission webhook. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import type { ServerStatus } from "../operator/gateway.ts";
import { type Command, UsageError } from "./command.ts";
import { operator, requireServer } from "./server.ts";

const help = `Usage: celestite webhook manifest --url https://HOST:PORT [--authority https://HOST:PORT] [--data DIR]

Prints a MutatingWebhookConfiguration for 'kubectl apply -f -'. Pods with the label azure.workload.identity/use: "true" get
the variables, the projected service account token and our certificate authority, as Azure's webhook would give them.
The client id is that of the annotation azure.workload.identity/client-id of the pod, or of the only identity whose
federated credential names the pod's service account.

Options:
  --url URL        where the cluster's API server reaches the authority
  --authority URL  where pods reach it, when that is another address

Examples:
  celestite webhook manifest --url https://host.docker.internal:8072 | kubectl apply -f -
`;

export const webhookCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { url: { type: "string" }, authority: { type: "string" }, data: { type: "string" } },
    });
    if (positionals.join(" ") !== "manifest") throw new UsageError("Say 'manifest'.");
    const url = origin("--url", values.url);
    const authority = values.authority === undefined ? undefined : origin("--authority", values.authority);
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const status = await operator<ServerStatus>(server, "GET", "status");
    const ca = Buffer.from(await readFile(status.caFile)).toString("base64");
    const query = authority === undefined ? "" : `?authority=${encodeURIComponent(authority)}`;
    terminal.out(manifest(`${url}/mutate-v1-pod${query}`, ca));
    return 0;
  },
};

function origin(option: string, text: string | undefined): string {
  if (text === undefined || !/^https:\/\/[\w.-]+(:\d+)?$/.test(text)) {
    throw new UsageError(`${option} takes an address such as https://host.docker.internal:8072.`);
  }
  return text;
}

function manifest(url: string, caBundle: string): string {
  return `apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata:
  name: celestite-workload-identity
webhooks:
  - name: pods.celestite.dev
    admissionReviewVersions: ["v1"]
    sideEffects: None
    failurePolicy: Fail
    timeoutSeconds: 5
    objectSelector:
      matchLabels:
        azure.workload.identity/use: "true"
    rules:
      - apiGroups: [""]
        apiVersions: ["v1"]
        operations: ["CREATE"]
        resources: ["pods"]
    clientConfig:
      url: ${JSON.stringify(url)}
      caBundle: ${caBundle}
`;
}
