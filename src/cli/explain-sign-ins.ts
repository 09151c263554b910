/** What to say of a refused request for a token: a table from the number or the words of the error to what mends it. */
import type { DiagnosticRecord, SignInPlace } from "../observability/diagnostic-records.ts";
import type { Trap } from "./explain-traps.ts";
import { argument } from "./printable.ts";

interface Rule {
  /** Error numbers (after AADSTS), or a part of the message of an endpoint that has none. */
  readonly meets: readonly string[] | RegExp;
  readonly name: string;
  readonly says: string;
  readonly fix: (asked: SignInPlace) => readonly string[];
}

const appOf = ({ appId }: SignInPlace): string => (appId === undefined ? "APP-ID" : argument(appId));

const rules: readonly Rule[] = [
  {
    meets: ["700016"],
    name: "unknown client id",
    says: "No application or managed identity of this server has that client id. Ids differ from server to server, and from those in Azure.",
    fix: () => [
      "celestite identity app list",
      "For a managed identity take the variables anew: celestite env --identity NAME",
    ],
  },
  {
    meets: ["7000215", "7000222"],
    name: "wrong or expired client secret",
    says: "The application has no such secret now.",
    fix: (asked) => [`celestite identity app secret ${appOf(asked)}`],
  },
  {
    meets: ["700211", "700212", "700213", "7002138"],
    name: "federated token without a credential",
    says: "Issuer, subject and audience of the token must be those of a federated credential of the identity, letter by letter.",
    fix: (asked) => [
      `celestite identity app federate ${appOf(asked)} NAME --issuer ISSUER --subject SUBJECT`,
    ],
  },
  {
    meets: ["90002", "50059"],
    name: "unknown tenant",
    says: "This server has one tenant, whose id 'celestite status' shows.",
    fix: () => ["Set AZURE_TENANT_ID to it; 'celestite env' and 'celestite run' do."],
  },
  {
    meets: ["500011", "invalid_resource"],
    name: "unknown resource",
    says: "Tokens are given for Azure's own services, for the accounts that are deployed, and for identifier URIs of applications.",
    fix: () => [
      "Ask for https://cosmos.azure.com/.default, or deploy the account first: celestite deploy main.bicep",
    ],
  },
  {
    meets: ["70011", "1002012"],
    name: "malformed scope",
    says: "An application asks for a whole resource: its identifier with '/.default' behind.",
    fix: () => ["Ask for https://cosmos.azure.com/.default"],
  },
  {
    meets: ["50034", "50126"],
    name: "user or password unknown",
    says: "Users and their passwords are this server's own, and without a password nobody signs in.",
    fix: () => ["celestite identity user list", "celestite identity user password UPN --password TEXT"],
  },
  {
    meets: ["65001"],
    name: "no consent",
    says: "Nobody has let the application act for the user at this resource.",
    fix: (asked) => [`celestite identity consent ${appOf(asked)} RESOURCE`],
  },
  {
    meets: /IDENTITY_HEADER/,
    name: "secret of an earlier run",
    says: "What 'celestite run' and 'celestite env' set ends with the server or the run.",
    fix: () => ["celestite env --identity NAME"],
  },
  {
    meets:
      /No User Assigned or Delegated Managed Identity found|Unable to load the proper Managed Identity|Identity not found|Multiple user assigned identities exist/,
    name: "identity that the workload does not have",
    says: "A workload gets tokens of the identities that it was started with, and must name one (AZURE_CLIENT_ID) when there are several or none is the system's.",
    fix: () => ["celestite run --identity NAME -- COMMAND"],
  },
];

/** What is known of the refusal beyond its own message; undefined when that is all. */
export function signInTrap({ signIn, message = "" }: DiagnosticRecord): Trap | undefined {
  if (signIn === undefined) return undefined;
  const rule = rules.find(({ meets }) =>
    meets instanceof RegExp ? meets.test(message) : meets.includes(signIn.resultType),
  );
  return rule === undefined ? undefined : { name: rule.name, says: [rule.says], fix: rule.fix(signIn) };
}
