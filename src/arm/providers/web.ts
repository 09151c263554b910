/**
 * Microsoft.Web: sites and slots with their settings as tools read and write them. A site's own configuration is
 * `config/web`; settings with secrets are records of their own, whose values only the `list` actions tell.
 */
import { ArmError } from "../../azure/arm-error.ts";
import { directoryLock } from "../../identity/control.ts";
import type { Transaction } from "../../storage/port.ts";
import { clip } from "../errors.ts";
import { requireParent } from "../implicit-children.ts";
import { type JsonObject, member, mergePatch, objectMember, stringMember } from "../json.ts";
import { locations } from "../locations.ts";
import { type Call, type Operation, type Outcome, type Provider, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import {
  getResource,
  propertiesOf,
  putResource,
  requireResource,
  resolveResource,
  type StoredResource,
} from "../resources.ts";
import { objectBody, writeResource } from "./generic.ts";
import { keysOf } from "./record-keys.ts";
import { settledAround } from "./service-values.ts";
import { siteHost } from "./service-values-web.ts";
import { findSettingKind, type SettingKind, splitConfig, webDefaults } from "./web-config.ts";
import { stackOperations } from "./web-stacks.ts";

const site = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites/{site}";

function rowsOf(path: string, type: string): readonly Operation[] {
  const config = `${path}/config`;
  const post = (name: string, action: string, handler: (call: Call) => Promise<Outcome>): Operation => ({
    method: "POST",
    path: `${path}/${name}`,
    action: `${type}/${action}`,
    handler,
  });
  const state = (name: string, siteState: string): Operation =>
    post(name, `${name}/action`, (call) => setState(call, siteState));
  return [
    { method: "PUT", path, action: `${type}/write`, handler: (call: Call) => writeSite(call, false) },
    { method: "PATCH", path, action: `${type}/write`, handler: (call: Call) => writeSite(call, true) },
    { method: "GET", path: config, action: `${type}/config/read`, handler: listConfig },
    { method: "GET", path: `${config}/web`, action: `${type}/config/read`, handler: readWeb },
    { method: "PUT", path: `${config}/web`, action: `${type}/config/write`, handler: writeWeb },
    { method: "PATCH", path: `${config}/web`, action: `${type}/config/write`, handler: writeWeb },
    { method: "GET", path: `${config}/{kind}`, action: `${type}/config/read`, handler: readSettings },
    { method: "PUT", path: `${config}/{kind}`, action: `${type}/config/write`, handler: writeSettings },
    post("config/publishingcredentials/list", "config/list/action", listCredentials),
    post("config/{kind}/list", "config/list/action", listSettings),
    {
      method: "GET",
      path: `${config}/authsettingsV2/list`,
      action: `${type}/config/read`,
      scope: `${path}/config/authsettingsV2`,
      handler: (call: Call) => listKind(call, "authsettingsV2"),
    },
    post("publishxml", "publishxml/action", publishProfile),
    post("host/default/listkeys", "host/listkeys/action", listHostKeys),
    post("functions/{function}/listkeys", "functions/listkeys/action", listFunctionKeys),
    post("syncfunctiontriggers", "syncfunctiontriggers/action", unchanged),
    post("host/default/sync", "host/sync/action", unchanged),
    state("start", "Running"),
    state("stop", "Stopped"),
    post("restart", "restart/action", unchanged),
  ];
}

export const webProvider: Provider = {
  operations: [
    ...rowsOf(site, "Microsoft.Web/sites"),
    ...rowsOf(`${site}/slots/{slot}`, "Microsoft.Web/sites/slots"),
    ...stackOperations,
    {
      method: "GET",
      path: "/subscriptions/{subscription}/providers/Microsoft.Web/geoRegions",
      action: "Microsoft.Web/geoRegions/read",
      scope: "/subscriptions/{subscription}",
      handler: listRegions,
    },
  ],
};

async function listRegions(call: Call): Promise<Outcome> {
  const value = locations.map(({ displayName }) => ({
    id: `/subscriptions/${parameter(call, "subscription")}/providers/Microsoft.Web/geoRegions/${displayName}`,
    name: displayName,
    type: "Microsoft.Web/geoRegions",
    properties: { name: displayName, displayName, orgDomain: "PUBLIC;LINUX;LINUXDYNAMIC;DYNAMIC" },
  }));
  return { status: 200, body: { value } };
}

/** The site or slot that the path is in. */
async function siteOf(call: Call): Promise<StoredResource> {
  const [path = ""] = /^.*?\/Microsoft\.Web\/sites\/[^/]+(?:\/slots\/[^/]+)?/i.exec(call.address.path) ?? [];
  return requireResource(call.plane.store, await resolveResource(call.plane.store, path));
}

function configOf(resource: StoredResource): JsonObject {
  return objectMember(propertiesOf(resource), "siteConfig") ?? {};
}

function withConfig(resource: StoredResource, siteConfig: JsonObject): StoredResource {
  const properties = { ...propertiesOf(resource), siteConfig };
  return { ...resource, body: { ...resource.body, properties } };
}

function writeSite(call: Call, patching: boolean): Promise<Outcome> {
  // A PATCH is merged before it gets here; only what it says itself may replace settings.
  const said = objectMember(objectMember(objectBody(call), "properties"), "siteConfig") ?? {};
  return writeResource(call, patching, async (transaction, resource) => {
    const before = await getResource(transaction, resource.id);
    const { web, settings } = splitConfig(before === undefined ? {} : configOf(before), said);
    putSettings(call, transaction, resource, settings);
    const sku = await planTier(transaction, resource);
    const properties = { ...propertiesOf(withConfig(resource, web)), ...(sku === undefined ? {} : { sku }) };
    return { ...resource, body: { ...resource.body, properties } };
  });
}

/** The tier of the plan that the site is written with: tools tell kinds of function apps apart by it. */
async function planTier(transaction: Transaction, resource: StoredResource): Promise<string | undefined> {
  const id = stringMember(propertiesOf(resource), "serverFarmId");
  if (id === undefined || !id.startsWith("/")) return "Dynamic";
  const plan = await getResource(transaction, id);
  if (plan === undefined) return undefined;
  return stringMember(objectMember(settledAround(plan), "sku"), "tier");
}

function putSettings(
  { plane }: Call,
  transaction: Transaction,
  resource: StoredResource,
  settings: Readonly<Record<string, JsonObject>>,
): void {
  for (const [name, properties] of Object.entries(settings)) {
    putResource(transaction, {
      id: `${resource.id}/config/${name}`,
      type: `${resource.type}/config`,
      name,
      createdAt: plane.clock.now(),
      body: { properties },
    });
  }
}

/** A setting as the service shows it; it borrows the site's location and kind. */
function rendered(resource: StoredResource, name: string, properties: JsonObject): JsonObject {
  const { location, kind, tags } = resource.body;
  return {
    id: `${resource.id}/config/${name}`,
    name,
    type: `${resource.type}/config`,
    ...(location === undefined ? {} : { location }),
    ...(kind === undefined ? {} : { kind }),
    ...(tags === undefined ? {} : { tags }),
    properties,
  };
}

function renderWeb(resource: StoredResource): JsonObject {
  const properties = { ...webDefaults, publishingUsername: `$${siteHost(resource)}`, ...configOf(resource) };
  return rendered(resource, "web", properties);
}

async function listConfig(call: Call): Promise<Outcome> {
  return { status: 200, body: { value: [renderWeb(await siteOf(call))] } };
}

async function readWeb(call: Call): Promise<Outcome> {
  return { status: 200, body: renderWeb(await siteOf(call)) };
}

async function writeWeb(call: Call): Promise<Outcome> {
  const said = objectMember(objectBody(call), "properties") ?? {};
  const { store } = call.plane;
  await requireParent(store, await resolveResource(store, call.address.path));
  const { id } = await siteOf(call);
  return store.transact([armLock, directoryLock], async (transaction) => {
    const resource = await requireResource(transaction, await resolveResource(transaction, id));
    const { web, settings } = splitConfig(configOf(resource), said);
    putSettings(call, transaction, resource, settings);
    const next = withConfig(resource, web);
    putResource(transaction, next);
    return { status: 200, body: renderWeb(next) };
  });
}

function kindOf(name: string): SettingKind {
  const kind = findSettingKind(name);
  if (kind === undefined) {
    throw new ArmError(404, "NotFound", `The configuration '${clip(name)}' is not known.`);
  }
  return kind;
}

async function storedSettings(
  call: Call,
  resource: StoredResource,
  name: string,
): Promise<JsonObject | undefined> {
  const stored = await getResource(call.plane.store, `${resource.id}/config/${name}`);
  return stored === undefined ? undefined : propertiesOf(stored);
}

/** Values of secret settings are not read but listed: a reader sees that they are there. */
async function readSettings(call: Call): Promise<Outcome> {
  const { name, secret, defaults } = kindOf(parameter(call, "kind"));
  const resource = await siteOf(call);
  const stored = await storedSettings(call, resource, name);
  if (stored === undefined && (secret || defaults === undefined)) throw nothingThere(name);
  const shown = secret ? {} : (mergePatch(defaults, stored ?? {}) as JsonObject);
  return { status: 200, body: rendered(resource, name, shown) };
}

function nothingThere(name: string): ArmError {
  return new ArmError(404, "NotFound", `There is no configuration '${name}' for this site.`);
}

async function writeSettings(call: Call): Promise<Outcome> {
  const { name } = kindOf(parameter(call, "kind"));
  const properties = objectMember(objectBody(call), "properties") ?? {};
  const { store } = call.plane;
  await requireParent(store, await resolveResource(store, call.address.path));
  const { id } = await siteOf(call);
  return store.transact([armLock], async (transaction) => {
    const resource = await requireResource(transaction, await resolveResource(transaction, id));
    putSettings(call, transaction, resource, { [name]: properties });
    return { status: 200, body: rendered(resource, name, properties) };
  });
}

function listSettings(call: Call): Promise<Outcome> {
  return listKind(call, parameter(call, "kind"));
}

async function listKind(call: Call, kind: string): Promise<Outcome> {
  const { name, defaults } = kindOf(kind);
  const resource = await siteOf(call);
  const stored = await storedSettings(call, resource, name);
  if (stored === undefined && defaults === undefined) throw nothingThere(name);
  return { status: 200, body: rendered(resource, name, { ...defaults, ...stored }) };
}

const passwordBytes = 45;

/** Name and password with which tools upload to the site. */
async function credentialsOf(
  call: Call,
): Promise<{ resource: StoredResource; user: string; password: string }> {
  const resource = await siteOf(call);
  const { primary } = await keysOf(call, resource, passwordBytes);
  return { resource, user: `$${siteHost(resource)}`, password: primary.replace(/[^A-Za-z0-9]/g, "x") };
}

async function listCredentials(call: Call): Promise<Outcome> {
  const { resource, user, password } = await credentialsOf(call);
  const host = `${siteHost(resource)}.scm.azurewebsites.net`;
  const body = {
    id: `${resource.id}/publishingcredentials/${user}`,
    name: siteHost(resource),
    type: `${resource.type}/publishingcredentials`,
    location: member(resource.body, "location") ?? "",
    properties: {
      publishingUserName: user,
      publishingPassword: password,
      scmUri: `https://${user}:${password}@${host}`,
    },
  };
  return { status: 200, body };
}

async function publishProfile(call: Call): Promise<Outcome> {
  const { resource, user, password } = await credentialsOf(call);
  const host = siteHost(resource);
  const page = `http://${host}.azurewebsites.net`;
  const account = `userName="${user}" userPWD="${password}" destinationAppUrl="${page}"`;
  const profiles = [
    `<publishProfile profileName="${host} - Web Deploy" publishMethod="MSDeploy" publishUrl="${host}.scm.azurewebsites.net:443" msdeploySite="${host}" ${account} />`,
    `<publishProfile profileName="${host} - FTP" publishMethod="FTP" publishUrl="ftps://${host}.ftp.azurewebsites.windows.net/site/wwwroot" ftpPassiveMode="True" ${account} />`,
    `<publishProfile profileName="${host} - Zip Deploy" publishMethod="ZipDeploy" publishUrl="${host}.scm.azurewebsites.net:443" ${account} />`,
  ];
  return {
    status: 200,
    text: `<publishData>${profiles.join("")}</publishData>`,
    headers: { "content-type": "application/xml" },
  };
}

async function listHostKeys(call: Call): Promise<Outcome> {
  const { primary, secondary } = await keysOf(call, await siteOf(call));
  const body = { masterKey: primary, functionKeys: { default: secondary }, systemKeys: {} };
  return { status: 200, body };
}

async function listFunctionKeys(call: Call): Promise<Outcome> {
  const { secondary } = await keysOf(call, await siteOf(call));
  return { status: 200, body: { default: secondary } };
}

async function setState(call: Call, siteState: string): Promise<Outcome> {
  const { id } = await siteOf(call);
  await call.plane.store.transact([armLock], async (transaction) => {
    const resource = await requireResource(transaction, await resolveResource(transaction, id));
    const properties = { ...propertiesOf(resource), siteState };
    putResource(transaction, { ...resource, body: { ...resource.body, properties } });
  });
  return { status: 200 };
}

/** There is no process that could be restarted or told of its triggers. */
async function unchanged(call: Call): Promise<Outcome> {
  await siteOf(call);
  return { status: 200 };
}
