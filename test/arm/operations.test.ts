import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compilePattern, parseTarget } from "../../src/arm/address.ts";
import { compileTable, findRoute, operations, requirementOf } from "../../src/arm/operations.ts";
import { findNamespace, findType, namespaces } from "../../src/azure/api-versions.ts";
import { builtInRoles } from "../../src/azure/roles.ts";

const table = compileTable();
const sub = "/subscriptions/00000000-0000-4000-8000-000000000001";
const group = `${sub}/resourceGroups/G`;
const account = `${group}/providers/Microsoft.DocumentDB/databaseAccounts/a`;

test("no row hides another: every method and shape stands once", () => {
  const shapes = operations.map(
    (row) => `${row.method} ${row.path.toLowerCase().replace(/\{(\W?)\w+\}/g, "{$1}")}`,
  );
  assert.deepEqual(shapes, [...new Set(shapes)]);
});

test("only what tools need before they have a token is public", () => {
  const open = operations.filter((row) => row.action === "public").map((row) => row.path);
  assert.deepEqual(open, ["/metadata/endpoints"]);
});

test("what every signed-in caller may ask is this and no more", () => {
  const rows = operations
    .filter((row) => row.action === "anyCaller")
    .map((row) => `${row.method} ${row.path}`);
  assert.deepEqual(rows.sort(), [
    "GET /providers",
    "GET /providers/Microsoft.DocumentDB/operations",
    "GET /providers/Microsoft.Web/functionAppStacks",
    "GET /providers/Microsoft.Web/webAppStacks",
    "GET /providers/{namespace}",
    "GET /subscriptions",
    "GET /subscriptions/{subscription}",
    "GET /subscriptions/{subscription}/locations",
    "GET /tenants",
    "HEAD /providers/Microsoft.DocumentDB/databaseAccountNames/{account}",
    "POST /providers/Microsoft.Authorization/elevateAccess",
    "POST /providers/Microsoft.Resources/calculateTemplateHash",
  ]);
});

test("a write needs write, a deletion delete, an action action, a read read", () => {
  const verbs: Readonly<Record<string, RegExp>> = {
    GET: /\/read$/,
    HEAD: /\/read$/,
    PUT: /\/write$/,
    PATCH: /\/write$/,
    DELETE: /\/delete$/,
    POST: /\/(action|check(Mhsm)?NameAvailability\/read)$/,
  };
  for (const row of operations) {
    if (row.action === "public" || row.action === "anyCaller") continue;
    assert.match(row.action, verbs[row.method] ?? /^$/, `${row.method} ${row.path}`);
  }
});

describe("a path needs this action at this id", () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    [
      "GET",
      `${sub}/resourcegroups/g`,
      "Microsoft.Resources/subscriptions/resourceGroups/read",
      `${sub}/resourcegroups/g`,
    ],
    ["GET", `${sub}/resourceGroups`, "Microsoft.Resources/subscriptions/resourceGroups/read", sub],
    ["GET", account, "Microsoft.DocumentDB/databaseAccounts/read", account],
    ["POST", `${account}/LISTKEYS`, "Microsoft.DocumentDB/databaseAccounts/listKeys/action", account],
    [
      "PUT",
      `${account}/sqlDatabases/d/containers/c`,
      "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/write",
      `${account}/sqlDatabases/d/containers/c`,
    ],
    [
      "GET",
      `${account}/sqlDatabases/d/containers`,
      "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/read",
      `${account}/sqlDatabases/d`,
    ],
    [
      "GET",
      `${account}/providers/Microsoft.Authorization/roleAssignments`,
      "Microsoft.Authorization/roleAssignments/read",
      account,
    ],
    [
      "GET",
      "/providers/Microsoft.Authorization/roleDefinitions",
      "Microsoft.Authorization/roleDefinitions/read",
      "/",
    ],
    [
      "PUT",
      `${group}/providers/microsoft.web/SITES/s`,
      "Microsoft.Web/sites/write",
      `${group}/providers/microsoft.web/SITES/s`,
    ],
    [
      "PUT",
      `${group}/providers/Microsoft.Web/sites/s/odd/o`,
      "Microsoft.Web/sites/odd/write",
      `${group}/providers/Microsoft.Web/sites/s/odd/o`,
    ],
    [
      "POST",
      `${group}/providers/Microsoft.Web/sites/s/restart`,
      "Microsoft.Web/sites/restart/action",
      `${group}/providers/Microsoft.Web/sites/s`,
    ],
    [
      "GET",
      `${account}/providers/Microsoft.Insights/diagnosticSettings`,
      "Microsoft.Insights/diagnosticSettings/read",
      `${account}/providers/Microsoft.Insights`,
    ],
    [
      "GET",
      `${group}/deployments/d/operations`,
      "Microsoft.Resources/deployments/operations/read",
      `${group}/deployments/d`,
    ],
    ["POST", `${sub}/providers/Microsoft.Web/register`, "Microsoft.Web/register/action", sub],
  ];
  for (const [method, target, action, scope] of cases) {
    test(`${method} ${target}`, () => {
      const address = parseTarget(target);
      assert.deepEqual(requirementOf(findRoute(table, method, address, "2024-01-01"), address), {
        action,
        scope,
      });
    });
  }
});

test("the more literal pattern wins", () => {
  const specific = compilePattern("/{+scope}/providers/Microsoft.DocumentDB/databaseAccounts");
  const generic = compilePattern("/{+scope}/providers/{namespace}/{*parents}/{last}");
  assert.ok(specific.literals > generic.literals);
});

test("namespaces and types are found in any case and stand once", () => {
  assert.equal(findNamespace("MICROSOFT.documentdb")?.namespace, "Microsoft.DocumentDB");
  assert.equal(findNamespace("Microsoft.Nothing"), undefined);
  const info = findNamespace("Microsoft.DocumentDB");
  assert.ok(info !== undefined);
  assert.equal(findType(info, "databaseaccounts/SQLDATABASES")?.type, "databaseAccounts/sqlDatabases");
  assert.equal(findType(info, "databaseAccounts/nothing"), undefined);
  const names = namespaces.map((each) => each.namespace.toLowerCase());
  assert.deepEqual(names, [...new Set(names)]);
});

test("built-in roles have their own GUID and name each", () => {
  const guids = builtInRoles.map((role) => role.name);
  const names = builtInRoles.map((role) => role.roleName.toLowerCase());
  assert.deepEqual(guids, [...new Set(guids)]);
  assert.deepEqual(names, [...new Set(names)]);
  for (const guid of guids) assert.match(guid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});
