/** `celestite env`: the variables that `run` would set, for a shell, a container or an editor. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import type { ServerStatus, Workload } from "../operator/gateway.ts";
import { accountNotice, workloadVariables } from "./child-environment.ts";
import { type Command, UsageError } from "./command.ts";
import { operator, requireServer } from "./server.ts";

const help = `Usage: celestite env [--identity NAME]... [--as HOST] [--service-account NS:NAME] [--account NAME]
                     [--format shell|dotenv|docker|json]

Prints what 'celestite run' would set. The identities stay usable until the server stops, so treat the output as a secret.

Options:
  --identity NAME  a user-assigned identity (name or resource id); may be repeated
  --as HOST        resource id of a deployed host: its identities; or the kind of host to play with --identity
  --service-account NS:NAME   with --as aks: the server keeps its token in a file (default: default:default)
  --account NAME   the Cosmos account behind COSMOS_ENDPOINT, when there are several
  --format FORMAT  shell (default), dotenv, docker (for --env-file: its values are taken to the letter) or json
  --data DIR       data directory of the running server

Examples:
  eval "$(celestite env --identity worker)"
  celestite env --identity worker --format dotenv > .env
  celestite env --identity worker --format docker > worker.env
  docker run --network host --env-file worker.env -v ~/.celestite/ca.pem:$HOME/.celestite/ca.pem:ro \\
    -v ~/.celestite/ca-bundle.pem:$HOME/.celestite/ca-bundle.pem:ro my-image
`;

type Format = (name: string, value: string) => string;

const formats: Readonly<Record<string, Format>> = {
  shell: (name, value) => `export ${name}='${value.replaceAll("'", "'\\''")}'\n`,
  dotenv: (name, value) => `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"\n`,
  docker: (name, value) => `${name}=${value}\n`,
};

export const envCommand: Command = {
  help,
  async run(args, terminal) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        identity: { type: "string", multiple: true },
        as: { type: "string" },
        "service-account": { type: "string" },
        account: { type: "string" },
        format: { type: "string", default: "shell" },
        data: { type: "string" },
      },
    });
    const { format } = values;
    const write = Object.hasOwn(formats, format) ? formats[format] : undefined;
    if (write === undefined && format !== "json")
      throw new UsageError(`The format '${format}' is not known.`);
    if (values["service-account"] !== undefined && values.as !== "aks")
      throw new UsageError("--service-account goes with --as aks.");
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    const status = await operator<ServerStatus>(server, "GET", "status");
    const notice = accountNotice(status, values.account);
    if (notice !== undefined) terminal.error(`celestite env: ${notice}\n`);
    const workload = await operator<Workload>(server, "POST", "workloads", {
      identities: values.identity ?? [],
      ...(values.as === undefined ? {} : { host: values.as }),
      ...(values.as === "aks" ? await serviceAccountOf(values["service-account"] ?? "default:default") : {}),
    });
    const variables = workloadVariables(status, workload, values.account);
    if (write === undefined) terminal.out(`${JSON.stringify(variables, undefined, 2)}\n`);
    else
      terminal.out(
        Object.entries(variables)
          .map(([name, value]) => write(name, value))
          .join(""),
      );
    return 0;
  },
};

async function serviceAccountOf(account: string): Promise<{ readonly serviceAccount: string }> {
  const { serviceAccountSubject } = await import("./issuer.ts");
  return { serviceAccount: serviceAccountSubject(account) };
}
