/**
 * Settings: every one with its default and a line of documentation. The command line builds them; the environment is
 * read here and nowhere else.
 */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

export interface Ports {
  /** Managed identity endpoints and the operator interface of the command line, plain http on loopback. */
  readonly managed: number;
  /** The Entra authority, https. */
  readonly authority: number;
  /** Azure Resource Manager, https. */
  readonly arm: number;
  /** The first Cosmos account; each further one takes the next free port. */
  readonly cosmos: number;
}

export interface Settings {
  /** Where the store, the certificate authority and the operator file live. */
  readonly dataDirectory: string;
  /** `lmdb` keeps data in the data directory, `memory` forgets it, `postgres://..` keeps it in a database. */
  readonly store: string;
  /** Address to listen on. */
  readonly host: string;
  readonly ports: Ports;
  readonly tenantId: string;
  readonly tenantDomain: string;
  readonly subscriptionId: string;
  readonly subscriptionName: string;
  /** Lets `celestite clock advance` move the time that tokens and data are judged by; never for shared instances. */
  readonly development: boolean;
  /** Default region of what the command line creates. */
  readonly location: string;
  /** Takes the well-known key of Microsoft's emulator as every account's primary key; on loopback only. */
  readonly emulatorKey?: boolean;
  /** Where diagnostic logs are written as NDJSON files; nowhere when absent. */
  readonly logDirectory?: string;
  /** Base URL of an OpenTelemetry collector (OTLP over http with JSON), for logs and metrics. */
  readonly otlpEndpoint?: string;
  /** Refuses resources of types that are not known, instead of keeping them as they were sent. */
  readonly strict?: boolean;
  /** Seconds until changes of roles, in both planes, take effect, as they wait in the service; at once when absent. */
  readonly roleDelay?: number;
  /** Seconds for which a regenerated account key's old value is still taken; not at all when absent. */
  readonly keyDelay?: number;
  /** Hosts, besides this machine's loopback, from which linked templates are fetched: `host` or `host:port`. */
  readonly templateHosts?: readonly string[];
  /** Physical ranges of a new Cosmos container whose throughput does not ask for more. */
  readonly physicalRanges: number;
}

export const defaultPorts: Ports = { managed: 8071, authority: 8072, arm: 8073, cosmos: 8081 };

/** Ports that the system chooses: private servers and tests use them. */
export const anyPorts: Ports = { managed: 0, authority: 0, arm: 0, cosmos: 0 };

/**
 * The settings of a plain `celestite start`. Tenant and subscription are the same on every machine, so that names
 * made from them (`uniqueString`, `guid`) are, too; what makes an instance trustworthy is its keys, and those differ.
 */
export function defaultSettings(): Settings {
  return {
    dataDirectory: dataDirectoryDefault(),
    store: "lmdb",
    host: "127.0.0.1",
    ports: defaultPorts,
    tenantId: "ce1e5717-e000-4000-8000-0000000000aa",
    tenantDomain: "celestite.local",
    subscriptionId: "ce1e5717-e000-4000-8000-000000000001",
    subscriptionName: "Celestite",
    development: false,
    location: "westeurope",
    physicalRanges: 1,
  };
}

/** `CELESTITE_DATA`, or `.celestite` in the home directory. */
export function dataDirectoryDefault(): string {
  const given = process.env["CELESTITE_DATA"];
  return given === undefined || given === "" ? join(homedir(), ".celestite") : resolve(given);
}

/** The environment that a child process inherits, as a copy. */
export function inheritedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}
