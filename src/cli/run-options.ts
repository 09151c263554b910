/** The options of `celestite run` and its help: apart from what it does with them. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import { type Front, fronts, hostKinds } from "../operator/gateway.ts";
import { UsageError } from "./command.ts";
import { type SeedingValues, seedingOptions } from "./start-seeding.ts";

export const runHelp: string = `Usage: celestite run [--identity NAME]... [--as HOST] [--front DOOR] [OPTIONS] -- COMMAND [ARGS...]

Starts COMMAND with the managed identities it would have in Azure. DefaultAzureCredential and ManagedIdentityCredential
find them with no setting in the program; COSMOS_ENDPOINT holds the account's URL. The exit code is COMMAND's.

Options:
  --identity NAME  a user-assigned identity (name or resource id); may be repeated
  --as HOST        resource id of a deployed host (web app, virtual machine ...): its identities, system-assigned included;
                   or the kind of host to play with --identity: ${hostKinds.join(", ")}
  --pod NS/NAME    be this pod under AKS pod identity v1, with --as pod or the id of a deployed cluster
  --label NAME=VALUE           a label of the pod, such as aadpodidbinding=SELECTOR; may be repeated
  --pod-identity FILE          its AzureIdentity and AzureIdentityBinding objects, YAML or JSON; may be repeated
  --service-account NS:NAME    with --as aks: the service account whose token is exchanged (default: default:default)
  --as-user UPN    put 'az' and 'azd' on the PATH, signed in as this user; 'signed-out' for nobody
  --front DOOR     env (default): variables only, services on localhost
                   proxy: HTTPS_PROXY and a JavaScript preload; programs keep their Azure host names
                   sandbox: namespaces of its own (Linux, no root): Azure host names, 169.254.169.254, nothing else
  --isolated       with --front proxy: refuse every host that is not ours
  --allow HOST:PORT            with --front sandbox: what the program may reach besides; may be repeated
  --strict         set AZURE_TOKEN_CREDENTIALS, so that no other credential can hide a missing one
  --account NAME   the Cosmos account behind COSMOS_ENDPOINT, when there are several
  --ephemeral      use a private server in memory for the life of COMMAND
  --deploy PATH    deploy this template (.bicep, .bicepparam, .json), or those of a folder, first; may be repeated
                   (implies --ephemeral when no server runs)
  -g, --group NAME             with --deploy: the resource group (default: celestite)
  -m, --management-group NAME  with --deploy: the management group (default: the tenant's root group)
  -p, --parameter NAME=VALUE   a parameter of the one template that is deployed; may be repeated
  --parameters FILE            its parameters file
  --data DIR       data directory of the running server (default: $CELESTITE_DATA or ~/.celestite)

Examples:
  celestite run --identity worker -- python app.py
  celestite run --as /subscriptions/S/resourceGroups/G/providers/Microsoft.Web/sites/web -- node server.js
  celestite run --as pod --pod shop/orders --label aadpodidbinding=orders --pod-identity identity.yaml -- ./orders
  celestite run --as aks --service-account shop:orders --identity worker -- ./orders
  celestite run --front sandbox --identity worker --allow api.example.com:443 -- npm test
  celestite run --as-user dev@celestite.local -- python app.py
  celestite run --ephemeral --deploy main.json --identity worker -- npm test
  celestite run --ephemeral --deploy ./infra -g my-group --identity worker -- npm test
`;

export interface RunOptions {
  readonly identities: readonly string[];
  readonly host: string | undefined;
  readonly user: string | undefined;
  readonly serviceAccount: string;
  readonly pod: PodOptions | undefined;
  readonly front: Front;
  readonly isolated: boolean;
  readonly allowed: readonly string[];
  readonly strict: boolean;
  readonly account: string | undefined;
  readonly ephemeral: boolean;
  /** What to deploy before the command starts. */
  readonly seeding: SeedingValues;
  readonly dataDirectory: string;
  readonly command: readonly string[];
}

/** The pod to be, and the files with what binds it. */
export interface PodOptions {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly files: readonly string[];
}

function podOptions(
  pod: string | undefined,
  labels: readonly string[],
  files: readonly string[],
): PodOptions | undefined {
  if (pod === undefined) {
    if (labels.length > 0 || files.length > 0)
      throw new UsageError("--label and --pod-identity go with --pod NAMESPACE/NAME.");
    return undefined;
  }
  const [, namespace, name] = /^([a-z0-9.-]+)\/([a-z0-9.-]+)$/.exec(pod) ?? [];
  if (namespace === undefined || name === undefined)
    throw new UsageError(`--pod takes NAMESPACE/NAME, not '${pod}'.`);
  const pairs = labels.map((label): [string, string] => {
    const at = label.indexOf("=");
    if (at <= 0) throw new UsageError(`--label takes NAME=VALUE, not '${label}'.`);
    return [label.slice(0, at), label.slice(at + 1)];
  });
  return { namespace, name, labels: Object.fromEntries(pairs), files };
}

/** The options before `--` and the command after it. Throws UsageError, or what `parseArgs` throws. */
export function parseRun(args: readonly string[]): RunOptions {
  const dashes = args.indexOf("--");
  const command = dashes < 0 ? [] : args.slice(dashes + 1);
  const { values, positionals } = parseArgs({
    args: [...(dashes < 0 ? args : args.slice(0, dashes))],
    allowPositionals: true,
    options: {
      identity: { type: "string", multiple: true },
      as: { type: "string" },
      "as-user": { type: "string" },
      "service-account": { type: "string", default: "default:default" },
      pod: { type: "string" },
      label: { type: "string", multiple: true },
      "pod-identity": { type: "string", multiple: true },
      front: { type: "string", default: "env" },
      isolated: { type: "boolean" },
      allow: { type: "string", multiple: true },
      strict: { type: "boolean" },
      account: { type: "string" },
      ephemeral: { type: "boolean" },
      deploy: seedingOptions.deploy,
      group: seedingOptions.group,
      "management-group": seedingOptions["management-group"],
      parameter: seedingOptions.parameter,
      parameters: seedingOptions.parameters,
      data: { type: "string" },
    },
  });
  if (positionals.length > 0)
    throw new UsageError(`'${positionals[0]}' stands before '--'; the command comes after it.`);
  if (command.length === 0) throw new UsageError("There is no command to run; it comes after '--'.");
  const front = fronts.find((name) => name === values.front);
  if (front === undefined) throw new UsageError(`--front is one of ${fronts.join(", ")}.`);
  if (values.isolated === true && front !== "proxy")
    throw new UsageError("--isolated goes with --front proxy.");
  if (values.allow !== undefined && front !== "sandbox")
    throw new UsageError("--allow goes with --front sandbox.");
  return {
    identities: values.identity ?? [],
    host: values.as,
    user: values["as-user"],
    serviceAccount: values["service-account"],
    pod: podOptions(values.pod, values.label ?? [], values["pod-identity"] ?? []),
    front,
    isolated: values.isolated === true,
    allowed: values.allow ?? [],
    strict: values.strict === true,
    account: values.account,
    ephemeral: values.ephemeral === true,
    seeding: values,
    dataDirectory: values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    command,
  };
}
