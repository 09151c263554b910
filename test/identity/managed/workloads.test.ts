/**
 * What a running program was given, and what it still has after a change: an identity that is deleted and made again under
 * its name, a developer's sign-in that has ended. Each case stands beside one where nothing was changed.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { directoryLock } from "../../../src/identity/control.ts";
import type { Workload } from "../../../src/identity/managed/workloads.ts";
import {
  bodyOf,
  claimsOf,
  hostId,
  openTestIdentity,
  putHost,
  putUserAssigned,
  send,
  type TestIdentity,
  userAssignedId,
} from "../fixtures.ts";

const resource = "https://cosmos.azure.com";

/** The status of an answer, and the `oid` of the token in it. */
async function ask(
  room: TestIdentity,
  target: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly oid: unknown }> {
  const reply = await send(room.identity.managed.endpoints, "GET", target, headers);
  const { access_token, accessToken = access_token } = bodyOf(reply);
  return {
    status: reply.status,
    oid: accessToken === undefined ? undefined : claimsOf(String(accessToken))["oid"],
  };
}

const managed = (room: TestIdentity, secret: string, query = ""): ReturnType<typeof ask> =>
  ask(room, `/msi/token?api-version=2019-08-01&resource=${resource}${query}`, {
    "x-identity-header": secret,
  });

const deleteIdentity = ({ identity, store }: TestIdentity, name: string): Promise<boolean> =>
  store.transact([directoryLock], (transaction) =>
    identity.control.deleteUserAssigned(transaction, userAssignedId(name)),
  );

describe("an identity that a program was given", () => {
  const changes: Readonly<Record<string, (room: TestIdentity) => Promise<unknown>>> = {
    "that stays": async () => undefined,
    "beside which another is deleted": async (room) => {
      await putUserAssigned(room, "other");
      await deleteIdentity(room, "other");
    },
    "that is written once more": (room) => putUserAssigned(room, "worker"),
    "that is deleted": (room) => deleteIdentity(room, "worker"),
    "that is deleted and made again": async (room) => {
      await deleteIdentity(room, "worker");
      await putUserAssigned(room, "worker");
    },
  };
  const selected = `&mi_res_id=${encodeURIComponent(userAssignedId("worker"))}`;
  for (const [change, expected] of [
    ["that stays", 200],
    ["beside which another is deleted", 200],
    ["that is written once more", 200],
    ["that is deleted", 400],
    ["that is deleted and made again", 400],
  ] as const) {
    test(`${change}: ${expected}, by itself and on a host`, async () => {
      const room = await openTestIdentity();
      const { workloads } = room.identity.managed;
      const given = await putUserAssigned(room, "worker");
      await putHost(room, "web", { systemAssigned: true, userAssigned: ["worker"] });
      const workload: Omit<Workload, "id"> = {
        identities: [given.resourceId],
        principalIds: [given.principalId],
      };
      const own = workloads.register(workload).secret;
      const onHost = workloads.register({ hostResourceId: hostId("web") }).secret;
      await changes[change]?.(room);
      for (const secret of [own, onHost]) {
        const answer = await managed(room, secret, selected);
        assert.equal(answer.status, expected);
        assert.equal(answer.oid, expected === 200 ? given.principalId : undefined);
      }
      assert.equal((await managed(room, onHost)).status, 200, "the host's own identity is untouched");
      // Whoever is given what is there now has that.
      const now = await putUserAssigned(room, "worker");
      const again = workloads.register({ identities: [now.resourceId], principalIds: [now.principalId] });
      assert.equal((await managed(room, again.secret, selected)).oid, now.principalId);
    });
  }
});

describe("a developer's sign-in to the command line tools of a program", () => {
  const name = "dev@celestite.onmicrosoft.com";
  type Change = (room: TestIdentity, userId: string) => Promise<unknown>;
  const changes: Readonly<Record<string, Change>> = {
    "goes on": async () => undefined,
    "outlives another's new password": ({ identity }) =>
      identity.passwords.set("other@celestite.onmicrosoft.com", "another password"),
    "ends with a new password": ({ identity }) => identity.passwords.set(name, "another password"),
    "ends with a revocation": ({ identity }, userId) => identity.refreshTokens.revokeUser(userId),
    "ends with the user": ({ identity }, userId) => identity.directory.deletePrincipal(userId),
  };
  for (const [change, expected] of [
    ["goes on", 200],
    ["outlives another's new password", 200],
    ["ends with a new password", 401],
    ["ends with a revocation", 401],
    ["ends with the user", 401],
  ] as const) {
    test(`${change}: ${expected}`, async () => {
      const room = await openTestIdentity();
      const { directory, passwords, managed } = room.identity;
      await directory.addUser({ userPrincipalName: "other@celestite.onmicrosoft.com" });
      const { objectId } = await directory.addUser({ userPrincipalName: name });
      await passwords.set(name, "the first password");
      const signIn = async (): Promise<string> =>
        managed.workloads.register({ userObjectId: objectId, userStamp: await passwords.stampOf(objectId) })
          .secret;
      const secret = await signIn();
      await changes[change]?.(room, objectId);
      const target = `/msi/developer?resource=${resource}`;
      assert.equal((await ask(room, target, { secret })).status, expected);
      const expectedAgain = change === "ends with the user" ? 401 : 200;
      assert.equal((await ask(room, target, { secret: await signIn() })).status, expectedAgain);
      assert.equal((await ask(room, target, { secret: `${secret}x` })).status, 401);
    });
  }
});
