/** The way of a password sign-in by `celestite az` to the authority, past the port that MSAL for Python drops. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { describe, test } from "node:test";
import { openRealmProxy, sendsPassword } from "../../src/cli/az-realm.ts";

const logins: readonly (readonly [line: string, expected: boolean])[] = [
  ["login -u dev@celestite.local -p x", true],
  ["login --username=dev@celestite.local --password x", true],
  ["--debug login --username dev@celestite.local", true],
  ["login --service-principal -u id -p x", false],
  ["login --identity --username id", false],
  ["login --use-device-code", false],
  ["login", false],
  ["ad user show -u login", false],
  ["account show", false],
];

describe("a sign-in with user name and password", () => {
  for (const [line, expected] of logins) {
    test(`${line}: ${expected}`, () => assert.equal(sendsPassword(line.split(" ")), expected));
  }

  test("finds the authority behind port 443 of this machine, and any other port as it is", async () => {
    const greeting = async (text: string) => {
      const server = createServer((socket) => socket.end(text)).listen(0, "127.0.0.1");
      await once(server, "listening");
      return { port: (server.address() as AddressInfo).port, close: () => server.close() };
    };
    const [authority, other] = await Promise.all([greeting("authority"), greeting("other")]);
    const proxy = await openRealmProxy(`https://localhost:${authority.port}`);
    const through = async (target: string): Promise<string> => {
      const socket = connect(Number(new URL(proxy.url).port), "127.0.0.1");
      socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
      let text = "";
      for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString();
      return text;
    };
    for (const name of ["localhost:443", "127.0.0.1:443", "localhost"]) {
      assert.match(await through(name), /^HTTP\/1\.1 200 [\s\S]*authority$/, name);
    }
    assert.match(await through(`127.0.0.1:${other.port}`), /other$/);
    assert.equal(await through("127.0.0.1:1"), "");
    assert.match(await through("a b:x"), /^HTTP\/1\.1 400 /);
    for (const { close } of [authority, other, proxy]) close();
  });
});
