/** `celestite identity`: users, applications, consent and revocation, which Azure manages outside Resource Manager. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Principal } from "../azure/principal.ts";
import { dataDirectoryDefault } from "../config.ts";
import type { Application } from "../identity/applications.ts";
import type { CertificateView } from "../identity/identity-certificates.ts";
import { parseDuration } from "./clock.ts";
import { type Command, type Terminal, UsageError } from "./command.ts";
import { operator, requireServer, type Server } from "./server.ts";

const help = `Usage: celestite identity user list | add UPN | password UPN | delete UPN
       celestite identity app list | add NAME | secret APP-ID | certificate APP-ID FILE | federate APP-ID NAME
       celestite identity consent APP-ID RESOURCE [--user UPN]
       celestite identity certificate list | rotate IDENTITY | expire IDENTITY
       celestite identity revoke PRINCIPAL

Users sign in to the authority's pages, device codes and the password grant; without a password nobody can. An
application gets a service principal; 'consent' lets it act for a user (or all) where no page can ask. 'revoke' refuses
every token that a principal has been given so far, and ends its sign-ins. Each managed identity has a certificate of
ninety days behind it, renewed after forty-six; 'certificate expire' ends it at once until 'rotate' makes a new one.

Options:
  --name TEXT              display name of a new user
  --password TEXT          for 'user add' and 'user password'; without it 'user password' takes the password away
  --redirect URI           where a new application's sign-ins lead back to; may be repeated
  --identifier-uri URI     audience under which others ask tokens for it; may be repeated
  --public                 the application keeps no secret
  --lifetime DURATION      of a new secret, e.g. 90d
  --issuer, --subject      of a federated credential ('app federate'); it also serves a managed identity's client id
  --user UPN               the user who consents (default: all)
  --json                   print JSON
  --data DIR               data directory of the running server

Examples:
  celestite identity user add dev@celestite.local --password 'correct horse'
  celestite identity app add shop --redirect http://localhost:3000/signed-in
  celestite identity app secret 7d1f7a0e-...
  celestite identity revoke worker
`;

export const identityCommand: Command = {
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        name: { type: "string" },
        password: { type: "string" },
        redirect: { type: "string", multiple: true },
        "identifier-uri": { type: "string", multiple: true },
        public: { type: "boolean" },
        lifetime: { type: "string" },
        issuer: { type: "string" },
        subject: { type: "string" },
        user: { type: "string" },
        json: { type: "boolean" },
        data: { type: "string" },
      },
    });
    const call = plan(positionals, values);
    const server = await requireServer(
      values.data === undefined ? dataDirectoryDefault() : resolve(values.data),
    );
    await perform(server, await call, values.json === true, terminal);
    return 0;
  },
};

interface Values {
  readonly name?: string;
  readonly password?: string;
  readonly redirect?: string[];
  readonly "identifier-uri"?: string[];
  readonly public?: boolean;
  readonly lifetime?: string;
  readonly issuer?: string;
  readonly subject?: string;
  readonly user?: string;
}

/** One call of the operator interface, and how its answer reads. */
interface Planned {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  readonly shown: (answer: Readonly<Record<string, unknown>>) => string;
}

type Shown = Planned["shown"];
const done: Shown = () => "Done.\n";

/** Every verb of the command; each is given its arguments and says what to ask. */
const verbs: Readonly<
  Record<string, (args: readonly string[], values: Values) => Planned | Promise<Planned>>
> = {
  "user list": () => ({
    method: "GET",
    path: "users",
    shown: ({ users }) =>
      (users as Principal[]).map((user) => `${user.objectId}  ${user.userPrincipalName}\n`).join(""),
  }),
  "user add": ([upn], { name, password }) => ({
    method: "POST",
    path: "users",
    body: { userPrincipalName: need(upn, "a user principal name"), displayName: name, password },
    shown: ({ objectId }) => `Added with object id ${String(objectId)}.\n`,
  }),
  "user password": ([upn], { password }) => ({
    method: "POST",
    path: "passwords",
    body: { userPrincipalName: need(upn, "a user principal name"), password },
    shown: done,
  }),
  "user delete": ([upn]) => ({
    method: "DELETE",
    path: `users/${encodeURIComponent(need(upn, "a user principal name"))}`,
    shown: done,
  }),
  "app list": () => ({
    method: "GET",
    path: "applications",
    shown: ({ applications }) =>
      (applications as Principal[]).map((app) => `${app.appId}  ${app.displayName}\n`).join(""),
  }),
  "app add": ([displayName], values) => ({
    method: "POST",
    path: "applications",
    body: {
      displayName: need(displayName, "a name"),
      redirectUris: values.redirect ?? [],
      identifierUris: values["identifier-uri"] ?? [],
      publicClient: values.public === true,
    },
    shown: (answer) => {
      const { appId, servicePrincipal } = answer as unknown as Application;
      return `appId ${appId}\nobject id of its service principal ${servicePrincipal.objectId}\n`;
    },
  }),
  "app secret": ([appId], { lifetime }) => ({
    method: "POST",
    path: "application-secrets",
    body: {
      appId: need(appId, "an application id"),
      ...(lifetime === undefined ? {} : { lifetimeSeconds: parseDuration(lifetime) }),
    },
    shown: ({ secretText }) => `${String(secretText)}\n`,
  }),
  "app certificate": async ([appId, file]) => ({
    method: "POST",
    path: "application-certificates",
    body: {
      appId: need(appId, "an application id"),
      certificate: await readFile(need(file, "a PEM file"), "utf8"),
    },
    shown: ({ thumbprint }) => `Registered with thumbprint ${String(thumbprint)}.\n`,
  }),
  "app federate": ([appId, name], { issuer, subject }) => ({
    method: "POST",
    path: "federated-credentials",
    body: {
      appId: need(appId, "an application or client id"),
      name: need(name, "a name"),
      issuer: need(issuer, "--issuer"),
      subject: need(subject, "--subject"),
    },
    shown: done,
  }),
};

/** Certificates behind managed identities. */
const certificateVerbs: typeof verbs = {
  "certificate list": () => ({
    method: "GET",
    path: "certificates",
    shown: ({ certificates }) => (certificates as CertificateView[]).map(certificateLine).join(""),
  }),
  "certificate rotate": ([principal]) => ({
    method: "POST",
    path: "certificate-rotations",
    body: { principal: need(principal, "an identity") },
    shown: done,
  }),
  "certificate expire": ([principal]) => ({
    method: "POST",
    path: "certificate-expiries",
    body: { principal: need(principal, "an identity") },
    shown: done,
  }),
};

function certificateLine({ displayName, thumbprint, state, startsAt, endsAt }: CertificateView): string {
  const day = (milliseconds: number): string => new Date(milliseconds).toISOString();
  return `${displayName}  ${thumbprint}  ${state}  ${day(startsAt)} to ${day(endsAt)}\n`;
}

/** Verbs of one word. */
const short: typeof verbs = {
  consent: ([appId, resource], { user }) => ({
    method: "POST",
    path: "consents",
    body: { appId: need(appId, "an application id"), resource: need(resource, "a resource"), user },
    shown: done,
  }),
  revoke: ([principal]) => ({
    method: "POST",
    path: "revocations",
    body: { principal: need(principal, "a principal") },
    shown: ({ displayName, objectId }) =>
      `Every token that ${String(displayName)} (${String(objectId)}) has been given so far is refused.\n`,
  }),
};

function plan(positionals: readonly string[], values: Values): Planned | Promise<Planned> {
  const [noun = "", verb = "", ...rest] = positionals;
  const single = Object.hasOwn(short, noun) ? short[noun] : undefined;
  if (single !== undefined) return single(positionals.slice(1), values);
  const pair = `${noun} ${verb}`;
  const all = { ...verbs, ...certificateVerbs };
  const found = Object.hasOwn(all, pair) ? all[pair] : undefined;
  if (found === undefined) {
    throw new UsageError(`Say one of ${[...Object.keys(all), ...Object.keys(short)].join(", ")}.`);
  }
  return found(rest, values);
}

function need(value: string | undefined, what: string): string {
  if (value === undefined || value === "") throw new UsageError(`This takes ${what}.`);
  return value;
}

async function perform(server: Server, planned: Planned, json: boolean, terminal: Terminal): Promise<void> {
  const { method, path, body, shown } = planned;
  const answer = await operator<Record<string, unknown> | undefined>(server, method, path, body);
  terminal.out(json ? `${JSON.stringify(answer ?? {})}\n` : shown(answer ?? {}));
}
