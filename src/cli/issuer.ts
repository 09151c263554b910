/**
 * `celestite issuer`: whose tokens workload identity takes without asking the network, and tokens of the clusters
 * that the server plays, so that no Kubernetes is needed to try one.
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dataDirectoryDefault } from "../config.ts";
import type { IssuerView, MintedToken } from "../identity/issuers.ts";
import { type Command, CommandError, type Terminal, UsageError } from "./command.ts";
import { operator, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite issuer add URL --jwks FILE
       celestite issuer list | remove URL
       celestite issuer mint --service-account NAMESPACE:NAME [--file PATH [--watch]] [OPTIONS]
       celestite issuer rotate [--cluster NAME]

An issuer's keys are fetched from its OpenID configuration unless they are added here: for issuers that this machine
cannot reach. The server also plays clusters of its own; 'mint' makes their service account tokens.

Options:
  --jwks FILE               the issuer's JSON Web Key Set
  --service-account NS:NAME the service account of a minted token (subject system:serviceaccount:NS:NAME)
  --subject TEXT            any other subject
  --cluster NAME            the cluster that issues it (default: local); its issuer URL is printed
  --audience TEXT           default: api://AzureADTokenExchange
  --lifetime SECONDS        600 to 86400 (default 3600)
  --file PATH               write the token there, mode 0600, instead of printing it
  --watch                   stay and write a new token at four fifths of each one's life
  --json                    print JSON
  --data DIR                data directory of the running server

Examples:
  celestite issuer add https://oidc.example.com/ --jwks jwks.json
  celestite issuer mint --service-account shop:orders --file token --watch
  curl -s https://token.actions.githubusercontent.com/.well-known/jwks > gh.json && celestite issuer add https://token.actions.githubusercontent.com --jwks gh.json
`;

interface IssuerOptions {
  readonly jwks: string | undefined;
  readonly subject: string | undefined;
  readonly cluster: string;
  readonly audience: string | undefined;
  readonly lifetimeSeconds: number;
  readonly file: string | undefined;
  readonly watch: boolean;
  readonly json: boolean;
}

export const issuerCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        jwks: { type: "string" },
        "service-account": { type: "string" },
        subject: { type: "string" },
        cluster: { type: "string", default: "local" },
        audience: { type: "string" },
        lifetime: { type: "string", default: "3600" },
        file: { type: "string" },
        watch: { type: "boolean" },
        json: { type: "boolean" },
        data: { type: "string" },
      },
    });
    const account = values["service-account"];
    const options: IssuerOptions = {
      jwks: values.jwks,
      subject: account === undefined ? values.subject : serviceAccountSubject(account),
      cluster: values.cluster,
      audience: values.audience,
      lifetimeSeconds: Number(values.lifetime),
      file: values.file,
      watch: values.watch === true,
      json: values.json === true,
    };
    const [verb, url, ...rest] = positionals;
    if (rest.length > 0) throw new UsageError(`'${rest[0]}' is one argument too many.`);
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    return act(server, verb, url, options, terminal);
  },
};

/** `shop:orders` as the subject of that service account's tokens. UsageError for another form. */
export function serviceAccountSubject(account: string): string {
  if (!/^[a-z0-9.-]+:[a-z0-9.-]+$/.test(account)) {
    throw new UsageError(`'${account}' is no service account in the form NAMESPACE:NAME.`);
  }
  return `system:serviceaccount:${account}`;
}

async function act(
  server: Server,
  verb: string | undefined,
  url: string | undefined,
  options: IssuerOptions,
  terminal: Terminal,
): Promise<number> {
  switch (verb) {
    case "add": {
      if (url === undefined || options.jwks === undefined)
        throw new UsageError("'add' takes a URL and --jwks FILE.");
      const jwks = parseKeySet(await readFile(options.jwks, "utf8"), options.jwks);
      const added = await operator<IssuerView>(server, "POST", "issuers", { issuer: url, jwks });
      terminal.out(
        options.json
          ? `${JSON.stringify(added)}\n`
          : `Added ${added.issuer} with ${added.keyIds.length} key(s).\n`,
      );
      return 0;
    }
    case "list": {
      const { issuers } = await operator<{ issuers: readonly IssuerView[] }>(server, "GET", "issuers");
      terminal.out(options.json ? `${JSON.stringify(issuers)}\n` : issuers.map(line).join(""));
      return 0;
    }
    case "remove":
      if (url === undefined) throw new UsageError("'remove' takes a URL.");
      await operator(server, "DELETE", `issuers?issuer=${encodeURIComponent(url)}`);
      return 0;
    case "mint":
      return mint(server, options, terminal);
    case "rotate": {
      const body = { cluster: options.cluster };
      const { kid } = await operator<{ kid: string }>(server, "POST", "issuer-rotations", body);
      terminal.out(options.json ? `${JSON.stringify({ kid })}\n` : `The cluster now signs with ${kid}.\n`);
      return 0;
    }
    default:
      throw new UsageError("Say 'add', 'list', 'remove', 'mint' or 'rotate'.");
  }
}

function line({ issuer, cluster, keyIds }: IssuerView): string {
  return `${issuer}  ${cluster === undefined ? "uploaded" : `cluster ${cluster}`}, keys ${keyIds.join(", ")}\n`;
}

function parseKeySet(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandError(`The file ${file} is not JSON.`);
  }
}

async function mint(server: Server, options: IssuerOptions, terminal: Terminal): Promise<number> {
  if (options.subject === undefined)
    throw new UsageError("'mint' takes --service-account NAMESPACE:NAME or --subject TEXT.");
  const ask = {
    subject: options.subject,
    cluster: options.cluster,
    lifetimeSeconds: options.lifetimeSeconds,
    ...(options.audience === undefined ? {} : { audience: options.audience }),
  };
  if (options.file === undefined) {
    if (options.watch) throw new UsageError("--watch needs --file.");
    const minted = await operator<MintedToken>(server, "POST", "issuer-tokens", ask);
    terminal.out(options.json ? `${JSON.stringify(minted)}\n` : `${minted.token}\n`);
    return 0;
  }
  const keeper = await keepTokenFile(server, ask, options.file, (problem) => terminal.error(`${problem}\n`));
  terminal.error(`Wrote a token of ${keeper.issuer} for ${options.subject} to ${options.file}.\n`);
  if (options.watch) {
    await new Promise<void>((done) => {
      process.once("SIGINT", done);
      process.once("SIGTERM", done);
    });
  }
  keeper.stop();
  return 0;
}

export interface TokenFileKeeper {
  readonly issuer: string;
  stop(): void;
}

/**
 * Writes a minted token to `file` (whole, mode 0600) and again at four fifths of each token's life, as kubelet does,
 * until it is stopped. Rejects when the first cannot be had; `complain` is told of later failures, which are retried.
 */
export async function keepTokenFile(
  server: Server,
  ask: { readonly subject: string; readonly cluster?: string; readonly lifetimeSeconds: number },
  file: string,
  complain: (problem: string) => void,
): Promise<TokenFileKeeper> {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const write = async (): Promise<MintedToken> => {
    const minted = await operator<MintedToken>(server, "POST", "issuer-tokens", ask);
    await writeFile(`${file}.new`, minted.token, { mode: 0o600 });
    await rename(`${file}.new`, file);
    return minted;
  };
  const again = (delaySeconds: number): void => {
    if (stopped) return;
    timer = setTimeout(() => {
      write().then(
        () => again(ask.lifetimeSeconds * 0.8),
        (error: Error) => {
          complain(`celestite: the token in ${file} could not be renewed: ${error.message}`);
          again(5);
        },
      );
    }, delaySeconds * 1000);
    timer.unref();
  };
  const { issuer } = await write();
  again(ask.lifetimeSeconds * 0.8);
  return {
    issuer,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
