/**
 * Guessing passwords: the tenth wrong one locks the user out for a minute, at every door where a password is taken, and for
 * who knows the right one as well. What is no guess is not counted.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { manualClock } from "../../../src/clock.ts";
import { createLockouts } from "../../../src/identity/lockouts.ts";
import { bodyOf, send, tenantId } from "../fixtures.ts";
import {
  authorize,
  cliId,
  formOf,
  openSignInRoom,
  password,
  type SignInRoom,
  sentBack,
  signIn,
  submit,
  textOf,
  token,
  user,
} from "./fixture.ts";

describe("a user is locked out", () => {
  type Step = { readonly guesses: number } | { readonly wait: number } | "success" | "again" | "another user";
  const cases: readonly (readonly [string, readonly Step[], boolean])[] = [
    ["by nothing", [], false],
    ["by nine guesses", [{ guesses: 9 }], false],
    ["by ten guesses", [{ guesses: 10 }], true],
    ["by thirty guesses", [{ guesses: 30 }], true],
    ["by five guesses, an hour and five more", [{ guesses: 5 }, { wait: 3_600_000 }, { guesses: 5 }], true],
    ["by nine guesses, a success and nine more", [{ guesses: 9 }, "success", { guesses: 9 }], false],
    ["by one wrong password again and again", [{ guesses: 1 }, "again"], false],
    ["by nine guesses, and the last of them again", [{ guesses: 9 }, "again"], false],
    ["by ten guesses at another", ["another user"], false],
    ["by ten guesses, for a minute", [{ guesses: 10 }, { wait: 59_999 }], true],
    ["by ten guesses, for no longer", [{ guesses: 10 }, { wait: 60_000 }], false],
    ["by one more after that", [{ guesses: 10 }, { wait: 60_000 }, { guesses: 1 }], true],
    ["by one after a success", [{ guesses: 10 }, { wait: 60_000 }, "success", { guesses: 1 }], false],
  ];
  for (const [what, steps, expected] of cases) {
    test(`${what}: ${expected}`, () => {
      const clock = manualClock(0);
      const lockouts = createLockouts(clock);
      let made = 0;
      for (const step of steps) {
        if (step === "success") lockouts.clear("u");
        else if (step === "again") for (let at = 0; at < 30; at++) lockouts.failed("u", String(made));
        else if (step === "another user") for (let at = 0; at < 10; at++) lockouts.failed("v", `${at}`);
        else if ("wait" in step) clock.advance(step.wait);
        else for (let at = 0; at < step.guesses; at++) lockouts.failed("u", String(++made));
      }
      assert.equal(lockouts.isLocked("u"), expected);
    });
  }
});

/** 200, or the AADSTS number. */
async function ask(room: SignInRoom, text: string): Promise<unknown> {
  const scope = "https://cosmos.azure.com/.default";
  const fields = { grant_type: "password", client_id: cliId, username: user, password: text, scope };
  const answer = await token(room, fields);
  return answer.status === 200 ? 200 : answer.code;
}

describe("who is locked out", () => {
  test("gets in nowhere with the right password, and everywhere a minute later", async () => {
    const room = await openSignInRoom();
    const answers = await Promise.all(Array.from({ length: 13 }, (_, at) => ask(room, `guess ${at}`)));
    // Guesses that are made at once are counted like others.
    assert.deepEqual(answers.sort(), [...Array(3).fill(50053), ...Array(10).fill(50126)]);
    assert.equal(await ask(room, password), 50053);
    const refused = sentBack(await signIn(room, await authorize(room)));
    assert.match(refused.get("error_description") ?? "", /^AADSTS50053/);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const body = new URLSearchParams({ client_id: cliId, scope: "https://cosmos.azure.com/.default" });
    const path = `/${tenantId}/oauth2/v2.0/devicecode`;
    const started = bodyOf(await send(room.identity.authority, "POST", path, form, String(body)));
    const type = async (): Promise<string> => {
      const page = `/${tenantId}/oauth2/deviceauth`;
      const { flow, cookie } = formOf(await send(room.identity.authority, "GET", page));
      const fields = { flow, username: user, password, otc: String(started["user_code"]) };
      return textOf(await submit(room, "oauth2/deviceauth", cookie, fields));
    };
    assert.match(await type(), /AADSTS50053/);
    room.clock.advance(60_000);
    assert.match(await type(), /You have signed in/);
    assert.notEqual(sentBack(await signIn(room, await authorize(room))).get("code"), null);
  });

  test("gets in with a new password", async () => {
    const room = await openSignInRoom();
    await Promise.all(Array.from({ length: 10 }, (_, at) => ask(room, `guess ${at}`)));
    await room.identity.passwords.set(user, password);
    assert.equal(await ask(room, password), 200);
  });
});

test("a password of the greatest length is not one with something after it", async () => {
  const room = await openSignInRoom();
  const longest = "p".repeat(256);
  await room.identity.passwords.set(user, longest);
  assert.equal(await ask(room, `${longest}p`), 50126);
  assert.equal(await ask(room, longest.slice(1)), 50126);
  assert.equal(await ask(room, longest), 200);
});
