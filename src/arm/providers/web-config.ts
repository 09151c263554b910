/**
 * The settings of a web site: what each kind looks like before anybody has written it, and how the settings that a
 * site is written with come apart into the kinds that tools read. Pure; `web.ts` has the requests.
 */
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  mergePatch,
  stringMember,
  without,
} from "../json.ts";

export interface SettingKind {
  /** As the path spells it. */
  readonly name: string;
  /** Values are only told to those who may list them. */
  readonly secret: boolean;
  /** What is shown when nothing was written; without it there is nothing. */
  readonly defaults?: JsonObject;
}

const off = { level: "Off" };

export const settingKinds: readonly SettingKind[] = [
  { name: "appsettings", secret: true, defaults: {} },
  { name: "connectionstrings", secret: true, defaults: {} },
  { name: "azurestorageaccounts", secret: true, defaults: {} },
  { name: "metadata", secret: true, defaults: {} },
  { name: "pushsettings", secret: true, defaults: { isPushEnabled: false } },
  { name: "backup", secret: true },
  {
    name: "authsettings",
    secret: true,
    defaults: {
      enabled: false,
      tokenStoreEnabled: false,
      unauthenticatedClientAction: "RedirectToLoginPage",
      tokenRefreshExtensionHours: 0,
      isAuthFromFile: "False",
      configVersion: "v2",
    },
  },
  {
    name: "authsettingsV2",
    secret: false,
    defaults: {
      platform: { enabled: false, runtimeVersion: "~1" },
      globalValidation: {
        requireAuthentication: false,
        unauthenticatedClientAction: "RedirectToLoginPage",
      },
      identityProviders: {},
      login: { routes: {}, tokenStore: { enabled: false }, preserveUrlFragmentsForLogins: false },
      httpSettings: { requireHttps: true, routes: { apiPrefix: "/.auth" } },
    },
  },
  {
    name: "logs",
    secret: false,
    defaults: {
      applicationLogs: { fileSystem: off, azureTableStorage: off, azureBlobStorage: off },
      httpLogs: {
        fileSystem: { retentionInMb: 35, retentionInDays: 0, enabled: false },
        azureBlobStorage: { retentionInDays: 0, enabled: false },
      },
      failedRequestsTracing: { enabled: false },
      detailedErrorMessages: { enabled: false },
    },
  },
  { name: "slotConfigNames", secret: false, defaults: {} },
];

export function findSettingKind(name: string): SettingKind | undefined {
  return settingKinds.find((kind) => kind.name.toLowerCase() === name.toLowerCase());
}

/** The settings of `config/web` that a new site has. */
export const webDefaults: JsonObject = {
  numberOfWorkers: 1,
  defaultDocuments: ["Default.htm", "Default.html", "index.htm", "index.html", "hostingstart.html"],
  netFrameworkVersion: "v4.0",
  phpVersion: "",
  pythonVersion: "",
  nodeVersion: "",
  powerShellVersion: "",
  linuxFxVersion: "",
  requestTracingEnabled: false,
  remoteDebuggingEnabled: false,
  httpLoggingEnabled: false,
  acrUseManagedIdentityCreds: false,
  logsDirectorySizeLimit: 35,
  detailedErrorLoggingEnabled: false,
  scmType: "None",
  use32BitWorkerProcess: true,
  webSocketsEnabled: false,
  alwaysOn: false,
  appCommandLine: "",
  managedPipelineMode: "Integrated",
  virtualApplications: [{ virtualPath: "/", physicalPath: "site\\wwwroot", preloadEnabled: false }],
  loadBalancing: "LeastRequests",
  autoHealEnabled: false,
  vnetRouteAllEnabled: false,
  vnetPrivatePortsCount: 0,
  localMySqlEnabled: false,
  ipSecurityRestrictions: [
    {
      ipAddress: "Any",
      action: "Allow",
      priority: 2147483647,
      name: "Allow all",
      description: "Allow all access",
    },
  ],
  scmIpSecurityRestrictions: [
    {
      ipAddress: "Any",
      action: "Allow",
      priority: 2147483647,
      name: "Allow all",
      description: "Allow all access",
    },
  ],
  scmIpSecurityRestrictionsUseMain: false,
  http20Enabled: true,
  minTlsVersion: "1.2",
  scmMinTlsVersion: "1.2",
  ftpsState: "FtpsOnly",
  preWarmedInstanceCount: 0,
  functionAppScaleLimit: 0,
  functionsRuntimeScaleMonitoringEnabled: false,
  minimumElasticInstanceCount: 0,
  azureStorageAccounts: {},
};

/** Members of a site's configuration that are kinds of settings of their own, and how their lists become objects. */
const apart: readonly (readonly [member: string, kind: string, read: (value: Json) => JsonObject])[] = [
  ["appSettings", "appsettings", byName((entry) => stringMember(entry, "value") ?? "")],
  [
    "connectionStrings",
    "connectionstrings",
    byName((entry) => ({
      value: stringMember(entry, "connectionString") ?? "",
      type: stringMember(entry, "type") ?? "Custom",
    })),
  ],
  ["azureStorageAccounts", "azurestorageaccounts", (value) => (isObject(value) ? value : {})],
  ["metadata", "metadata", byName((entry) => stringMember(entry, "value") ?? "")],
];

function byName(read: (entry: Json) => Json): (list: Json) => JsonObject {
  return (list) => {
    if (!isArray(list)) return {};
    const entries = list.flatMap((entry) => {
      const name = stringMember(entry, "name");
      return name === undefined ? [] : [[name, read(entry)] as const];
    });
    return Object.fromEntries(entries);
  };
}

export interface SplitConfig {
  /** What stays with the site, and is `config/web`. */
  readonly web: JsonObject;
  /** Kinds that were written, by their names. */
  readonly settings: Readonly<Record<string, JsonObject>>;
}

/** A site's configuration as it was written, taken apart; what is not named stays as it was in `before`. */
export function splitConfig(before: JsonObject, written: JsonObject): SplitConfig {
  const settings = apart.flatMap(([name, kind, read]) => {
    const value = member(written, name);
    return value === undefined || value === null ? [] : [[kind, read(value)] as const];
  });
  const names = apart.map(([name]) => name);
  // Written as null means "not written": tools send every member that they know.
  const said = Object.entries(without(written, names)).filter(([, value]) => value !== null);
  const web = mergePatch(before, Object.fromEntries(said));
  return { web: isObject(web) ? web : {}, settings: Object.fromEntries(settings) };
}
