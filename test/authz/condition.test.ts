/** Conditions of role assignments: what they come to, that what is not known grants nothing, and what is no condition. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConditionFault, judgeCondition, parseCondition } from "../../src/authz/condition.ts";

const type = "microsoft.authorization/roleassignments";
const write = "Microsoft.Authorization/roleAssignments/write";
const one = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const two = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const role = "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId]";
const kind = "@Request[Microsoft.Authorization/roleAssignments:PrincipalType]";
const absent = "@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId]";
const facts = {
  action: write,
  request: { [`${type}:roledefinitionid`]: one, [`${type}:principaltype`]: "User", size: "7" },
  resource: {},
};

describe("comes to", () => {
  const table: readonly (readonly [string, boolean | undefined])[] = [
    [`ActionMatches{'${write}'}`, true],
    ["ActionMatches{'Microsoft.Authorization/*'}", true],
    ["actionmatches{'microsoft.authorization/roleassignments/WRITE'}", true],
    ["ActionMatches{'Microsoft.Authorization/roleAssignments/delete'}", false],
    ["!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})", true],
    ["NOT ActionMatches{'*'}", false],
    ["SubOperationMatches{'Blob.List'}", false],
    [`${role} ForAnyOfAnyValues:GuidEquals {${one}, ${two}}`, true],
    [`${role} ForAnyOfAnyValues:GuidEquals {${two}}`, false],
    [`${role} GuidEquals '${one.toUpperCase()}'`, true],
    [`${role} GuidEquals ${one}`, true],
    [`${role} GuidNotEquals ${one}`, false],
    [`${role} ForAnyOfAllValues:GuidNotEquals {${one}, ${two}}`, false],
    [`${role} ForAnyOfAnyValues:GuidNotEquals {${one}, ${two}}`, true],
    [`${role} ForAllOfAllValues:GuidNotEquals {${two}}`, true],
    [`${role.toUpperCase().replace("@REQUEST", "@Request")} GuidEquals ${one}`, true],
    [`${kind} StringEquals 'User'`, true],
    [`${kind} StringEquals 'user'`, false],
    [`${kind} StringEqualsIgnoreCase 'user'`, true],
    [`${kind} StringNotEquals 'user'`, true],
    [`${kind} StringStartsWith 'Us'`, true],
    [`${kind} StringStartsWith 'us'`, false],
    [`${kind} StringNotStartsWith 'us'`, true],
    [`${kind} StringStartsWithIgnoreCase 'us'`, true],
    [`${kind} StringLike 'U*r'`, true],
    [`${kind} StringLike '?ser'`, true],
    [`${kind} StringLike '?er'`, false],
    [`${kind} StringNotLike 'U*'`, false],
    [`${kind} ForAllOfAnyValues:StringEquals {'Group', 'User'}`, true],
    [`${kind} ForAnyOfAllValues:StringEquals {'Group', 'User'}`, false],
    ["@Request[size] NumericEquals 7", true],
    ["@Request[size] NumericLessThan 7.5", true],
    ["@Request[size] NumericGreaterThanEquals 8", false],
    ["'true' BoolEquals true", true],
    [`Exists ${role}`, true],
    [`NotExists ${role}`, false],
    // What is not known is neither, however it is turned.
    [`${absent} GuidEquals ${one}`, undefined],
    [`${absent} GuidNotEquals ${one}`, undefined],
    [`!(${absent} GuidEquals ${one})`, undefined],
    [`!(!(${absent} GuidEquals ${one}))`, undefined],
    [`Exists ${absent}`, undefined],
    [`NotExists ${absent}`, undefined],
    [`!(Exists ${absent})`, undefined],
    ["@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:a_b] StringEquals 'x'", undefined],
    ["@Environment[isPrivateLink] BoolEquals false", undefined],
    ["@Request[__proto__] StringEquals 'x'", undefined],
    ["@Request[constructor] StringLike '*'", undefined],
    [`${absent} GuidEquals ${one} OR ActionMatches{'*'}`, true],
    [`${absent} GuidEquals ${one} AND ActionMatches{'*'}`, undefined],
    [`${absent} GuidEquals ${one} AND !(ActionMatches{'*'})`, false],
    [`${absent} GuidEquals ${one} || !(ActionMatches{'*'})`, undefined],
    // AND binds closer than OR.
    ["ActionMatches{'*'} OR ActionMatches{'x'} AND ActionMatches{'x'}", true],
    ["(ActionMatches{'*'} || ActionMatches{'x'}) && ActionMatches{'x'}", false],
    ["'it\\'s' StringEquals 'it\\'s'", true],
    ["'OR' StringEquals '(' OR 'AND' StringEquals 'AND'", true],
  ];
  for (const [text, expected] of table) {
    test(`${text}: ${expected ?? "not known"}`, () => {
      assert.equal(judgeCondition(parseCondition(text), facts), expected);
    });
  }
});

describe("is no condition:", () => {
  const table: readonly string[] = [
    "",
    " ",
    "true",
    "()",
    "(",
    "ActionMatches",
    "ActionMatches{}",
    "ActionMatches{'a','b'}",
    "ActionMatches{'a'} ActionMatches{'b'}",
    "ActionMatches{'a'} XOR ActionMatches{'b'}",
    "ActionMatches{'a'} OR",
    "OR ActionMatches{'a'}",
    "ActionMatches{'a'})",
    "ActionMatches{'a}",
    "@Request[] StringEquals 'a'",
    "@Somewhere[x] StringEquals 'a'",
    "@Request[x] StringEquals",
    "@Request[x] StringEquals {'a', 'b'}",
    "@Request[x] StringEquals {}",
    "@Request[x] StringIs 'a'",
    "@Request[x] StringNot 'a'",
    "@Request[x] GuidLike 'a'",
    "@Request[x] NumericEqualsIgnoreCase 1",
    "@Request[x] Stringconstructor 'a'",
    "@Request[x] ForSomeValues:StringEquals {'a'}",
    "@Request[x] == 'a'",
    "@Request[x] StringEquals a",
    "1; DROP",
    "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((ActionMatches{'a'}",
    `${"!".repeat(5000)}ActionMatches{'a'}`,
    `ActionMatches{'${"a".repeat(9000)}'}`,
  ];
  for (const text of table) {
    test(text.slice(0, 60), () => assert.throws(() => parseCondition(text), ConditionFault));
  }

  test("an operator that Azure has and we do not is told apart", () => {
    const supported = (text: string): boolean => {
      try {
        parseCondition(text);
        return true;
      } catch (error) {
        return !(error instanceof ConditionFault && error.isUnsupported);
      }
    };
    assert.equal(supported("@Environment[UtcNow] DateTimeLessThan '2026-01-01T00:00:00Z'"), false);
    assert.equal(supported("@Request[x] StringIs 'a'"), true);
  });
});
