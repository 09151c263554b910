/**
 * Application registrations and what they prove themselves with: secrets, certificates and federated credentials.
 * Apart from the directory because credentials are written and read by nobody but the token endpoint and operators.
 */
import { createHash, X509Certificate } from "node:crypto";
import type { Principal } from "../azure/principal.ts";
import { type Entropy, uuid } from "../clock.ts";
import type { Reader, Transaction } from "../storage/port.ts";
import type { DirectoryContext } from "./directory.ts";
import { checkDisplayName, DirectoryError, isGuid } from "./directory.ts";
import { insertObject, removeObject, replaceObject } from "./objects.ts";
import type {
  ApplicationObject,
  CertificateRecord,
  ConsentRecord,
  FederatedCredentialRecord,
  RedirectUri,
  SecretRecord,
  ServicePrincipalObject,
} from "./records.ts";
import {
  collection,
  encodeRecord,
  readIndexed,
  readObject,
  readRecord,
  recordKey,
  scanRecords,
  toPrincipal,
} from "./records.ts";
import { canonicalAudience, isPlatformAudience } from "./resources.ts";
import { isRegistrable } from "./sign-in/redirects.ts";

/** Two years, the longest life the portal offers for a new secret. */
const SECRET_LIFETIME_SECONDS = 2 * 365 * 24 * 3600;

/** Assertions must be signed with RSA of this size or more (RFC 7518 section 3.3). */
const RSA_BITS_MIN = 2048;

/** A subject accepts at most this many federated credentials (identity platform limit). */
const FEDERATED_CREDENTIALS_MAX = 20;

export interface Application {
  /** Object id of the registration; not a principal id. */
  readonly id: string;
  readonly appId: string;
  readonly displayName: string;
  readonly identifierUris: readonly string[];
  readonly accessTokenVersion: 1 | 2;
  readonly servicePrincipal: Principal;
}

export interface NewApplication {
  readonly displayName: string;
  /** Chosen by the caller, e.g. to match a configuration file; otherwise random. */
  readonly appId?: string;
  /** Audiences under which others ask tokens for this application, e.g. `api://orders`. */
  readonly identifierUris?: readonly string[];
  /** Version of those tokens; 1 unless told, as `requestedAccessTokenVersion: null`. */
  readonly accessTokenVersion?: 1 | 2;
  /** Where sign-ins may lead back to. */
  readonly redirectUris?: readonly RedirectUri[];
  /** May sign users in without a proof of its own. */
  readonly publicClient?: boolean;
}

export interface NewSecret {
  readonly displayName?: string;
  readonly lifetimeSeconds?: number;
  /** Instead of a lifetime: milliseconds since the epoch. */
  readonly endsAt?: number;
}

/** The client behind an app id: what may authenticate, and how. */
export interface ClientIdentity {
  readonly servicePrincipal: ServicePrincipalObject;
  /** Absent for a managed identity, which can only be federated. */
  readonly application?: ApplicationObject;
  readonly federatedCredentials: readonly FederatedCredentialRecord[];
}

export interface Applications {
  /** Registers an application with its service principal. Throws `DirectoryError`. */
  add(application: NewApplication): Promise<Application>;
  find(appId: string): Promise<Application | undefined>;
  /** Deletes the application and its service principal; false when there is none. */
  delete(appId: string): Promise<boolean>;
  /** Makes a secret; its text is returned once and not kept. `lifetimeSeconds` may be negative to make an expired one. */
  addSecret(
    appId: string,
    options?: NewSecret,
  ): Promise<{ readonly keyId: string; readonly secretText: string; readonly endsAt: number }>;
  /** Registers the certificate (PEM or DER) whose key signs the client's assertions; RSA only. */
  addCertificate(
    appId: string,
    certificate: string | Uint8Array,
    displayName?: string,
  ): Promise<{ readonly keyId: string; readonly thumbprint: string }>;
  /** Removes a secret or certificate; false when there is none with this id. */
  removeCredential(appId: string, keyId: string): Promise<boolean>;
  /** Trusts tokens of another issuer as this application or user-assigned identity (by its app or client id). */
  putFederatedCredential(appId: string, credential: FederatedCredentialRecord): Promise<void>;
  removeFederatedCredential(appId: string, name: string): Promise<boolean>;
  federatedCredentials(appId: string): Promise<readonly FederatedCredentialRecord[]>;
  /** What the token endpoint needs to authenticate this client. */
  findClient(appId: string): Promise<ClientIdentity | undefined>;
  /** The application that answers to an audience: one of its identifier URIs or its app id. */
  findByAudience(audience: string): Promise<ApplicationObject | undefined>;
}

/** The applications of the directory in `context`. */
export function createApplications(context: DirectoryContext): Applications {
  const { store, change } = context;
  return {
    add: (application) => addApplication(context, application),
    async find(appId) {
      const application = await readApplication(store, appId);
      return application === undefined ? undefined : view(context, store, application);
    },
    delete: (appId) => change((transaction) => deleteApplication(transaction, appId)),
    addSecret: (appId, options = {}) => addSecret(context, appId, options),
    addCertificate: (appId, certificate, displayName = "") =>
      addCertificate(context, appId, certificate, displayName),
    removeCredential: (appId, keyId) => change((transaction) => removeCredential(transaction, appId, keyId)),
    putFederatedCredential: (appId, credential) =>
      change((transaction) => putFederatedCredential(transaction, appId, credential)),
    removeFederatedCredential: (appId, name) =>
      change((transaction) => removeFederatedCredential(transaction, appId, name)),
    async federatedCredentials(appId) {
      const servicePrincipal = await readServicePrincipal(store, appId);
      return servicePrincipal === undefined ? [] : readFederated(store, servicePrincipal);
    },
    findClient: (appId) => findClient(store, appId),
    async findByAudience(audience) {
      const byUri = await readIndexed(store, recordKey.identifierUri(audience));
      if (byUri?.kind === "application") return byUri;
      return isGuid(audience) ? readApplication(store, audience) : undefined;
    },
  };
}

async function readServicePrincipal(
  reader: Reader,
  appId: string,
): Promise<ServicePrincipalObject | undefined> {
  const object = await readIndexed(reader, recordKey.appId(appId));
  return object?.kind === "servicePrincipal" ? object : undefined;
}

async function readApplication(reader: Reader, appId: string): Promise<ApplicationObject | undefined> {
  const servicePrincipal = await readServicePrincipal(reader, appId);
  if (servicePrincipal?.applicationId === undefined) return undefined;
  const object = await readObject(reader, servicePrincipal.applicationId);
  return object?.kind === "application" ? object : undefined;
}

async function requireApplication(reader: Reader, appId: string): Promise<ApplicationObject> {
  const application = await readApplication(reader, appId);
  if (application === undefined) {
    throw new DirectoryError("notFound", `There is no application with the id ${appId}.`);
  }
  return application;
}

function readFederated(reader: Reader, object: ServicePrincipalObject): Promise<FederatedCredentialRecord[]> {
  return scanRecords<FederatedCredentialRecord>(reader, collection.federated(object.id));
}

async function findClient(reader: Reader, appId: string): Promise<ClientIdentity | undefined> {
  const servicePrincipal = await readServicePrincipal(reader, appId);
  if (servicePrincipal === undefined) return undefined;
  const application = await readApplication(reader, appId);
  const federatedCredentials = await readFederated(reader, servicePrincipal);
  return { servicePrincipal, federatedCredentials, ...(application === undefined ? {} : { application }) };
}

async function view(
  context: DirectoryContext,
  reader: Reader,
  application: ApplicationObject,
): Promise<Application> {
  const principal = toPrincipal(await readObject(reader, application.servicePrincipalId), context.tenantId);
  if (principal === undefined) {
    throw new DirectoryError("notFound", `The application ${application.appId} has just been deleted.`);
  }
  const { id, appId, displayName, identifierUris, accessTokenVersion } = application;
  return { id, appId, displayName, identifierUris, accessTokenVersion, servicePrincipal: principal };
}

async function addApplication(context: DirectoryContext, wanted: NewApplication): Promise<Application> {
  const displayName = checkDisplayName(wanted.displayName);
  if (wanted.appId !== undefined && !isGuid(wanted.appId)) {
    throw new DirectoryError("invalid", `The application id ${wanted.appId} is no GUID.`);
  }
  const identifierUris = [...new Set(wanted.identifierUris ?? [])];
  for (const uri of identifierUris) checkIdentifierUri(uri);
  for (const { uri } of wanted.redirectUris ?? []) checkRedirectUri(uri);
  return context.change(async (transaction) => {
    const appId = wanted.appId?.toLowerCase() ?? uuid(context.entropy);
    if ((await transaction.get(recordKey.appId(appId))) !== undefined) {
      throw new DirectoryError("conflict", `An application with the id ${appId} exists.`);
    }
    for (const uri of identifierUris) {
      if ((await transaction.get(recordKey.identifierUri(uri))) !== undefined) {
        throw new DirectoryError("conflict", `Another application has the identifier URI ${uri}.`);
      }
    }
    const createdAt = context.clock.now();
    const servicePrincipalId = uuid(context.entropy);
    const application: ApplicationObject = {
      kind: "application",
      id: uuid(context.entropy),
      displayName,
      createdAt,
      appId,
      servicePrincipalId,
      identifierUris,
      accessTokenVersion: wanted.accessTokenVersion ?? 1,
      ...(wanted.redirectUris === undefined ? {} : { redirectUris: wanted.redirectUris }),
      ...(wanted.publicClient === undefined ? {} : { publicClient: wanted.publicClient }),
      secrets: [],
      certificates: [],
    };
    insertObject(transaction, application);
    insertObject(transaction, {
      kind: "servicePrincipal",
      id: servicePrincipalId,
      displayName,
      createdAt,
      appId,
      applicationId: application.id,
    });
    return view(context, transaction, application);
  });
}

function checkRedirectUri(uri: string): void {
  if (!isRegistrable(uri)) {
    throw new DirectoryError(
      "invalid",
      `The redirect URI ${uri.slice(0, 300)} is neither https, nor http on localhost, nor of an app's own scheme, or has a fragment or wildcard.`,
    );
  }
}

function checkIdentifierUri(uri: string): void {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[\x21-\x7e]{1,240}$/i.test(uri)) {
    throw new DirectoryError(
      "invalid",
      `The identifier URI ${uri} is no absolute URI such as api://my-service.`,
    );
  }
  // A token for the service would else be one that the application may exchange on behalf of its user.
  if (isPlatformAudience(uri)) {
    throw new DirectoryError(
      "invalid",
      `The identifier URI ${uri} is the name of a service of the platform.`,
    );
  }
}

async function deleteApplication(transaction: Transaction, appId: string): Promise<boolean> {
  const application = await readApplication(transaction, appId);
  if (application === undefined) return false;
  const servicePrincipal = await readServicePrincipal(transaction, appId);
  await removeObject(transaction, application);
  if (servicePrincipal !== undefined) await removeObject(transaction, servicePrincipal);
  await removeConsents(transaction, application);
  return true;
}

/** Consents to this client, and to act at it: nobody gave them to whoever takes its id or its names next. */
async function removeConsents(
  transaction: Transaction,
  { appId, identifierUris }: ApplicationObject,
): Promise<void> {
  const names = new Set(identifierUris.map(canonicalAudience));
  for (const consent of await scanRecords<ConsentRecord>(transaction, collection.consents())) {
    const { clientId, resource, userId } = consent;
    const isAbout = clientId === appId || resource.toLowerCase() === appId || names.has(resource);
    if (isAbout) transaction.delete(recordKey.consent(clientId, resource, userId));
  }
}

/** The form in which a secret is kept and compared. */
export function hashSecret(secretText: string): string {
  return createHash("sha256").update(secretText, "utf8").digest("base64url");
}

/**
 * A secret in the look of the platform's, `abc8Q~..`: command lines take one that begins with `-` for an option, and scanners
 * find it where it should not be.
 */
function newSecretText(entropy: Entropy): string {
  const text = Buffer.from(entropy.bytes(32)).toString("base64url");
  return `${text.slice(0, 3).replace(/[-_]/g, "x")}8Q~${text.slice(3)}`;
}

async function addSecret(
  context: DirectoryContext,
  appId: string,
  options: NewSecret,
): Promise<{ readonly keyId: string; readonly secretText: string; readonly endsAt: number }> {
  const secretText = newSecretText(context.entropy);
  return context.change(async (transaction) => {
    const application = await requireApplication(transaction, appId);
    const now = context.clock.now();
    const secret: SecretRecord = {
      keyId: uuid(context.entropy),
      displayName: options.displayName ?? "",
      hash: hashSecret(secretText),
      startsAt: now,
      endsAt: options.endsAt ?? now + (options.lifetimeSeconds ?? SECRET_LIFETIME_SECONDS) * 1000,
    };
    const changed = { ...application, secrets: [...application.secrets, secret] };
    replaceObject(transaction, application, changed);
    return { keyId: secret.keyId, secretText, endsAt: secret.endsAt };
  });
}

async function addCertificate(
  context: DirectoryContext,
  appId: string,
  certificate: string | Uint8Array,
  displayName: string,
): Promise<{ readonly keyId: string; readonly thumbprint: string }> {
  const parsed = parseCertificate(certificate);
  const digest = (algorithm: string): string => createHash(algorithm).update(parsed.raw).digest("base64url");
  const record: CertificateRecord = {
    keyId: uuid(context.entropy),
    displayName,
    sha1: digest("sha1"),
    sha256: digest("sha256"),
    publicKey: parsed.publicKey.export({ format: "jwk" }),
    startsAt: Date.parse(parsed.validFrom),
    endsAt: Date.parse(parsed.validTo),
  };
  return context.change(async (transaction) => {
    const application = await requireApplication(transaction, appId);
    const others = application.certificates.filter((other) => other.sha256 !== record.sha256);
    replaceObject(transaction, application, { ...application, certificates: [...others, record] });
    return { keyId: record.keyId, thumbprint: record.sha1 };
  });
}

function parseCertificate(certificate: string | Uint8Array): X509Certificate {
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(certificate);
  } catch {
    throw new DirectoryError("invalid", "The certificate is neither PEM nor DER.");
  }
  const { asymmetricKeyType, asymmetricKeyDetails } = parsed.publicKey;
  if (asymmetricKeyType !== "rsa" || (asymmetricKeyDetails?.modulusLength ?? 0) < RSA_BITS_MIN) {
    throw new DirectoryError("invalid", `The certificate's key is not RSA of at least ${RSA_BITS_MIN} bits.`);
  }
  return parsed;
}

async function removeCredential(transaction: Transaction, appId: string, keyId: string): Promise<boolean> {
  const application = await requireApplication(transaction, appId);
  const secrets = application.secrets.filter((secret) => secret.keyId !== keyId);
  const certificates = application.certificates.filter((certificate) => certificate.keyId !== keyId);
  const kept = secrets.length + certificates.length;
  if (kept === application.secrets.length + application.certificates.length) return false;
  replaceObject(transaction, application, { ...application, secrets, certificates });
  return true;
}

/** Writes a federated credential of an application or user-assigned identity. Throws `DirectoryError`. */
export async function putFederatedCredential(
  transaction: Transaction,
  appId: string,
  credential: FederatedCredentialRecord,
): Promise<void> {
  const subject = await readServicePrincipal(transaction, appId);
  if (subject === undefined || subject.managedIdentity === "system") {
    throw new DirectoryError(
      "notFound",
      `There is no application or user-assigned identity with the id ${appId}.`,
    );
  }
  const { name, issuer, audiences } = credential;
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{2,119}$/.test(name)) {
    throw new DirectoryError(
      "invalid",
      "A federated credential's name has 3 to 120 letters, digits, - and _, and starts with a letter or digit.",
    );
  }
  const texts = [issuer, credential.subject, ...audiences];
  if (!URL.canParse(issuer) || audiences.length !== 1 || texts.some((text) => !isCredentialText(text))) {
    throw new DirectoryError(
      "invalid",
      "A federated credential has an issuer URL, a subject and one audience.",
    );
  }
  const others = (await readFederated(transaction, subject)).filter(
    (other) => other.name.toLowerCase() !== name.toLowerCase(),
  );
  if (others.length >= FEDERATED_CREDENTIALS_MAX) {
    throw new DirectoryError("conflict", `At most ${FEDERATED_CREDENTIALS_MAX} federated credentials.`);
  }
  if (others.some((other) => other.issuer === issuer && other.subject === credential.subject)) {
    throw new DirectoryError("conflict", "Another federated credential has the same issuer and subject.");
  }
  const record = { name, issuer, subject: credential.subject, audiences };
  transaction.put(recordKey.federated(subject.id, name), encodeRecord(record));
}

/** The limits of the platform for issuer, subject and audience: 1 to 600 characters, no surrounding space. */
function isCredentialText(text: string): boolean {
  return text.length > 0 && text.length <= 600 && text.trim() === text;
}

/** Removes one; false when there is none of this name. */
export async function removeFederatedCredential(
  transaction: Transaction,
  appId: string,
  name: string,
): Promise<boolean> {
  const subject = await readServicePrincipal(transaction, appId);
  if (subject === undefined) return false;
  const key = recordKey.federated(subject.id, name);
  if ((await readRecord(transaction, key)) === undefined) return false;
  transaction.delete(key);
  return true;
}
