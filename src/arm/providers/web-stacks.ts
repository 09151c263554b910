/** The languages that sites and functions may be written in: what `az webapp create --runtime` chooses from. */
import type { JsonObject } from "../json.ts";
import type { Operation, Outcome } from "../operation.ts";

interface Language {
  readonly name: string;
  readonly displayText: string;
  /** As a function app's setting FUNCTIONS_WORKER_RUNTIME names it. */
  readonly worker: string;
  readonly versions: readonly Version[];
}

interface Version {
  readonly value: string;
  readonly displayText: string;
  /** As `linuxFxVersion` has it, e.g. `NODE|22-lts`. */
  readonly linux: string;
  /** The same for functions, when functions run it. */
  readonly functions?: string;
  /** As the setting of a Windows site names it; without it there is none. */
  readonly windows?: string;
  readonly endOfLife: string;
}

const languages: readonly Language[] = [
  {
    name: "dotnet",
    displayText: ".NET",
    worker: "dotnet-isolated",
    versions: [
      version(".NET 10 (LTS)", "10", "DOTNETCORE|10.0", "DOTNET-ISOLATED|10.0", "2028-11-14", "v10.0"),
      version(".NET 9 (STS)", "9", "DOTNETCORE|9.0", "DOTNET-ISOLATED|9.0", "2026-11-10", "v9.0"),
      version(".NET 8 (LTS)", "8", "DOTNETCORE|8.0", "DOTNET-ISOLATED|8.0", "2026-11-10", "v8.0"),
    ],
  },
  {
    name: "node",
    displayText: "Node",
    worker: "node",
    versions: [
      version("Node 24 LTS", "24", "NODE|24-lts", "Node|24", "2028-04-30", "~24"),
      version("Node 22 LTS", "22", "NODE|22-lts", "Node|22", "2027-04-30", "~22"),
      version("Node 20 LTS", "20", "NODE|20-lts", "Node|20", "2026-04-30", "~20"),
    ],
  },
  {
    name: "python",
    displayText: "Python",
    worker: "python",
    versions: ["3.14", "3.13", "3.12", "3.11", "3.10"].map((value, index) =>
      version(`Python ${value}`, value, `PYTHON|${value}`, `Python|${value}`, `${2030 - index}-10-31`),
    ),
  },
  {
    name: "java",
    displayText: "Java",
    worker: "java",
    versions: ["25", "21", "17"].map((value, index) =>
      version(`Java ${value}`, value, "", `Java|${value}`, `${2032 - index}-09-30`, value),
    ),
  },
  {
    name: "powershell",
    displayText: "PowerShell Core",
    worker: "powershell",
    versions: [version("PowerShell 7.4", "7.4", "", "PowerShell|7.4", "2026-11-10", "7.4")],
  },
  {
    name: "php",
    displayText: "PHP",
    worker: "",
    versions: ["8.4", "8.3"].map((value, index) =>
      version(`PHP ${value}`, value, `PHP|${value}`, undefined, `${2028 - index}-12-31`),
    ),
  },
];

function version(
  displayText: string,
  value: string,
  linux: string,
  functions: string | undefined,
  endOfLife: string,
  windows?: string,
): Version {
  return {
    value,
    displayText,
    linux,
    endOfLife,
    ...(functions === undefined ? {} : { functions }),
    ...(windows === undefined ? {} : { windows }),
  };
}

/** What both kinds of stack say of a version on one system. */
function settings(runtimeVersion: string, { value, endOfLife }: Version): JsonObject {
  return {
    runtimeVersion,
    remoteDebuggingSupported: false,
    appInsightsSettings: { isSupported: true },
    gitHubActionSettings: { isSupported: true, supportedVersion: value },
    isPreview: false,
    isDeprecated: false,
    isHidden: false,
    endOfLifeDate: `${endOfLife}T00:00:00Z`,
  };
}

function webVersion(known: Version): JsonObject {
  const stackSettings = {
    linuxRuntimeSettings: settings(known.linux, known),
    ...(known.windows === undefined ? {} : { windowsRuntimeSettings: settings(known.windows, known) }),
  };
  return { displayText: known.displayText, value: known.value, stackSettings };
}

function functionVersion({ worker }: Language, known: Version): JsonObject {
  const shared = {
    supportedFunctionsExtensionVersions: ["~4"],
    appSettingsDictionary: { FUNCTIONS_WORKER_RUNTIME: worker },
    isDefault: false,
  };
  const linux = {
    ...settings(known.functions ?? "", known),
    ...shared,
    siteConfigPropertiesDictionary: { use32BitWorkerProcess: false, linuxFxVersion: known.functions ?? "" },
  };
  const windows =
    known.windows === undefined
      ? {}
      : {
          windowsRuntimeSettings: {
            ...settings(known.windows, known),
            ...shared,
            siteConfigPropertiesDictionary: { use32BitWorkerProcess: true },
          },
        };
  return {
    displayText: known.displayText,
    value: known.value,
    stackSettings: { linuxRuntimeSettings: linux, ...windows },
  };
}

/** Every minor version stands alone in a major one: what differs below is of no use here. */
function stack(kind: string, language: Language, minors: readonly JsonObject[]): JsonObject {
  const { name, displayText } = language;
  return {
    id: `/providers/Microsoft.Web/${kind}/${name}`,
    name,
    type: `Microsoft.Web/${kind}`,
    properties: {
      displayText,
      value: name,
      preferredOs: "linux",
      majorVersions: minors.map((minor) => ({
        displayText: minor["displayText"] ?? "",
        value: minor["value"] ?? "",
        minorVersions: [minor],
      })),
    },
  };
}

async function listWebStacks(): Promise<Outcome> {
  const value = languages.map((language) =>
    stack("webAppStacks", language, language.versions.filter(({ linux }) => linux !== "").map(webVersion)),
  );
  return { status: 200, body: { value } };
}

async function listFunctionStacks(): Promise<Outcome> {
  const value = languages.flatMap((language) => {
    const known = language.versions.filter(({ functions }) => functions !== undefined);
    const minors = known.map((each) => functionVersion(language, each));
    return minors.length === 0 ? [] : [stack("functionAppStacks", language, minors)];
  });
  return { status: 200, body: { value } };
}

export const stackOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/providers/Microsoft.Web/webAppStacks",
    action: "anyCaller",
    handler: listWebStacks,
  },
  {
    method: "GET",
    path: "/providers/Microsoft.Web/functionAppStacks",
    action: "anyCaller",
    handler: listFunctionStacks,
  },
];
