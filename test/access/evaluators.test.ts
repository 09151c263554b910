/**
 * `authz` against a second evaluator, on random policies and requests from a fixed seed. Some thousand cases of
 * each of the three kinds run each time, 200,000 at full size.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decideAzure } from "../../src/authz/azure-rbac.ts";
import { compileCosmosPolicy, decideCosmos } from "../../src/authz/cosmos-rbac.ts";
import { partitionScope, tokenAllows } from "../../src/authz/resource-token.ts";
import { type Entropy, seededEntropy } from "../../src/clock.ts";
import { operations } from "../../src/cosmos/wire/operations.ts";
import { sized } from "../full-size.ts";
import {
  type NaiveAssignment,
  type NaiveDefinition,
  type NaiveDeny,
  type NaiveToken,
  naiveAzure,
  naiveData,
  naiveToken,
} from "./naive-evaluator.ts";

const casesPerKind = sized(4000, 200_000);

/** A cheap reproducible source of choices. */
class Dice {
  readonly #entropy: Entropy;
  constructor(seed: number) {
    this.#entropy = seededEntropy(seed);
  }
  below(limit: number): number {
    const [a = 0, b = 0] = this.#entropy.bytes(2);
    return (a * 256 + b) % limit;
  }
  pick<T>(list: readonly T[]): T {
    const chosen = list[this.below(list.length)];
    return chosen as T;
  }
  some<T>(list: readonly T[], max: number): T[] {
    return Array.from({ length: this.below(max + 1) }, () => this.pick(list));
  }
}

const account = "/subscriptions/S/resourceGroups/G/providers/Microsoft.DocumentDB/databaseAccounts/acct";
const prefix = "Microsoft.DocumentDB/databaseAccounts/";
const items = `${prefix}sqlDatabases/containers/items/`;
const people = ["P1", "p1", "P2", "p3", "G1", "g2"];
const dataActions = [
  `${prefix}readMetadata`,
  ...["executeQuery", "readChangeFeed", "executeStoredProcedure", "manageConflicts"].map(
    (name) => `${prefix}sqlDatabases/containers/${name}`,
  ),
  ...["create", "read", "replace", "upsert", "delete"].map((name) => items + name),
];
const dataPatterns = [
  ...dataActions,
  `${prefix}sqlDatabases/containers/*`,
  `${items}*`,
  `${prefix}*`,
  "*",
  `${prefix}*/read`,
  `${prefix}sqlDatabases/*/read`,
  `${items}read`.toLowerCase(),
  `${items}rea`,
  `${items}read*`,
  "",
];
const dataScopes = [
  account,
  `${account}/`,
  account.toUpperCase(),
  `${account}2`,
  account.slice(0, -1),
  "/",
  "/subscriptions/S",
  ...[account, account.toLowerCase()].flatMap((base) =>
    [
      "/dbs/D",
      "/dbs/D/",
      "/dbs/d",
      "/dbs/D/colls/C",
      "/dbs/D/colls/C/",
      "/dbs/D/colls/c",
      "/dbs/E/colls/C",
      "/dbs",
      "/dbs/D/colls",
      "/dbs/D/colls/C/docs/1",
      "/DBS/D",
      "/dbs//colls/C",
    ].map((rest) => base + rest),
  ),
];
const roles = ["r1", "R1", "r2", "r3", "none"];

function assignmentsFrom(dice: Dice, scopes: readonly string[], max: number): NaiveAssignment[] {
  return Array.from({ length: dice.below(max + 1) }, () => ({
    roleDefinitionId: dice.pick(["", `${account}/sqlRoleDefinitions/`]) + dice.pick(roles),
    principalId: dice.pick(people),
    scope: dice.pick(scopes),
  }));
}

function definitionsFrom(dice: Dice, patterns: readonly string[]): NaiveDefinition[] {
  return ["r1", "r2", "r3"].map((name) => ({
    name,
    permissions: Array.from({ length: 1 + dice.below(2) }, () => ({
      actions: dice.some(patterns, 3),
      notActions: dice.some(patterns, 2),
    })),
  }));
}

/** Runs cases until one differs, and says which; both outcomes must have come up often enough to mean something. */
function compare(
  cases: number,
  seed: number,
  one: (dice: Dice) => { ours: boolean; theirs: boolean; story: unknown },
): void {
  const dice = new Dice(seed);
  let granted = 0;
  for (let at = 0; at < cases; at++) {
    const { ours, theirs, story } = one(dice);
    if (ours !== theirs)
      assert.fail(
        `case ${at}: authz says ${ours}, the second evaluator ${theirs}: ${JSON.stringify(story, undefined, 1)}`,
      );
    if (ours) granted++;
  }
  assert.ok(granted > cases / 30 && granted < (cases * 29) / 30, `${granted} of ${cases} were granted`);
}

describe(`two evaluators agree on ${casesPerKind} random cases`, () => {
  test("of data roles", () => {
    compare(casesPerKind, 1, (dice) => {
      const definitions = definitionsFrom(dice, dataPatterns);
      const assignments = assignmentsFrom(dice, dataScopes, 6);
      const action = dice.below(20) === 0 ? undefined : dice.pick(dataActions);
      const anyScope = dice.below(8) === 0;
      const place = dice.pick([[], ["D"], ["D", "C"], ["E", "C"], ["d"], ["D", "c"]]);
      const [principalId, ...groups] = [dice.pick(people), ...dice.some(people, 2)];
      const policy = compileCosmosPolicy(
        account,
        definitions.map(({ name, permissions }) => ({
          name,
          roleName: name,
          permissions: permissions.map(({ actions }) => ({ dataActions: actions })),
        })),
        assignments.map((assignment, at) => ({ name: String(at), ...assignment })),
      );
      const [database, container] = place;
      const scope = {
        ...(database === undefined ? {} : { database }),
        ...(container === undefined ? {} : { container }),
      };
      const who = { principalId, principalExists: true, groups };
      const ours = decideCosmos(policy, { ...who, action, scope, anyScope, resource: "" }).allowed;
      const request = { account, principals: [principalId, ...groups], action, place, anyScope };
      return {
        ours,
        theirs: naiveData(definitions, assignments, request),
        story: { definitions, assignments, request },
      };
    });
  });

  test("of Azure roles", () => {
    const patterns = [
      "*",
      "*/read",
      "Microsoft.DocumentDb/databaseAccounts/*",
      "Microsoft.DocumentDB/databaseAccounts/listKeys/*",
      "Microsoft.DocumentDB/databaseAccounts/readonlykeys/action",
      "Microsoft.Authorization/*/Write",
      "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
      "Microsoft.ManagedIdentity/userAssignedIdentities/*",
    ];
    const actions = [
      "Microsoft.DocumentDB/databaseAccounts/read",
      "Microsoft.DocumentDB/databaseAccounts/listKeys/action",
      "Microsoft.DocumentDB/databaseAccounts/readonlyKeys/action",
      "Microsoft.Authorization/roleAssignments/write",
      "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
      "Microsoft.ManagedIdentity/userAssignedIdentities/x/assign/action",
    ];
    const scopes = [
      "/",
      "/subscriptions/S",
      "/SUBSCRIPTIONS/s/",
      "/subscriptions/S2",
      "/subscriptions/S/resourceGroups/G",
      "/subscriptions/S/resourceGroups/G2",
      account,
      `${account}/x/y`,
    ];
    compare(casesPerKind, 2, (dice) => {
      const definitions = definitionsFrom(dice, patterns);
      const assignments = assignmentsFrom(dice, scopes, 5);
      const denials: NaiveDeny[] = Array.from({ length: dice.below(3) === 0 ? 1 : 0 }, () => ({
        scope: dice.pick(scopes),
        actions: dice.some(patterns, 2),
        notActions: dice.some(patterns, 1),
        principals: dice.some([...people, "00000000-0000-0000-0000-000000000000"], 2),
        excludePrincipals: dice.some(people, 1),
        belowToo: dice.below(3) > 0,
      }));
      const [principalId, ...groups] = [dice.pick(people), ...dice.some(people, 2)];
      const action = dice.pick(actions);
      const scope = dice.pick(scopes);
      const byName = new Map(
        definitions.map(({ name, permissions }) => [
          name,
          {
            name,
            roleName: name,
            permissions: permissions.map((permission) => ({
              ...permission,
              dataActions: [],
              notDataActions: [],
            })),
          },
        ]),
      );
      const ours = decideAzure({
        principalId,
        principalExists: true,
        groups,
        action,
        scope,
        assignments: assignments.map((assignment, at) => ({ id: String(at), ...assignment })),
        definition: (name) => byName.get(name),
        denyAssignments: denials.map((deny, at) => ({ id: String(at), ...deny })),
      }).allowed;
      const request = { principals: [principalId, ...groups], action, scope };
      return {
        ours,
        theirs: naiveAzure(definitions, assignments, denials, request),
        story: { definitions, assignments, denials, request },
      };
    });
  });

  test("of resource tokens", () => {
    const names = [...new Set(operations.map(({ name }) => name))];
    // Operations on items and scripts come up more often than their share of the table.
    const often = names.filter((name) =>
      /Item|Procedure|Trigger|Function|Batch|Account|Ranges|Plan/.test(name),
    );
    const kinds = [
      "container",
      "container",
      "item",
      "storedProcedure",
      "trigger",
      "userDefinedFunction",
    ] as const;
    const keys: readonly (readonly unknown[] | undefined)[] = [
      undefined,
      ["a"],
      ["b"],
      ["a", 1],
      ["a", "1"],
      [null],
      [true],
      [1],
      ["1"],
    ];
    compare(casesPerKind, 3, (dice) => {
      const token: NaiveToken = {
        kind: dice.pick(kinds),
        all: dice.below(2) === 0,
        container: dice.pick(["C1", "C1", "C2"]),
        id: dice.pick(["1", "2"]),
        partition: dice.pick(keys),
      };
      const request = {
        operation: dice.pick(dice.below(4) === 0 ? names : often),
        container: dice.pick(["C1", "C1", "C1", "C2", undefined]),
        id: dice.pick(["1", "1", "2", undefined]),
        partition: dice.pick(keys),
      };
      const { container, id, partition } = request;
      const ours = tokenAllows(
        {
          permission: "P",
          permissionId: "p",
          user: "u",
          userRid: "U",
          database: "d",
          resource: "",
          starts: 0,
          expires: 0,
          mode: token.all ? "All" : "Read",
          target: {
            kind: token.kind,
            containerRid: token.container,
            ...(token.kind === "container" ? {} : { id: token.id }),
            ...(token.partition === undefined ? {} : { partition: partitionScope(token.partition) }),
          },
        },
        {
          operation: request.operation,
          ...(container === undefined ? {} : { containerRid: container }),
          ...(id === undefined ? {} : { id }),
          ...(partition === undefined ? {} : { partition: partitionScope(partition) }),
        },
      );
      return { ours, theirs: naiveToken(token, request), story: { token, request } };
    });
  });
});
