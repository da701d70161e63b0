// Pages that are not the canvas's, in the browser of somebody who is signed in: another site, an app of
// this very machine, another port, and a name that was made to point here. Each asks every route in each
// way a page can, and opens every socket; nothing is told, and nothing changes. The list of routes is the
// router's own table. Where next: crates/web/src/guard.rs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { makeApp, must } from "./api.mjs";
import { person } from "./browser.mjs";
import { eventually } from "./server.mjs";

const APP = "guarded";

/** `[method, path]` of every route of the canvas, and of the socket's, which must not be here. */
export function routes() {
  const source = readFileSync(new URL("../../crates/web/src/routes.rs", import.meta.url), "utf8");
  const found = [];
  for (const [, path, rest] of source.matchAll(/\.route\(\s*"([^"]+)",\s*([^\n]*)/g)) {
    const filled = path
      .replace("{release}", "r")
      .replace("{id}", "1")
      .replace("{module}", "postgres")
      .replace("{block}", "web")
      .replace("{*path}", "api")
      .replaceAll(/\{[a-z]+\}/g, APP);
    const methods = [...rest.matchAll(/\b(get|post|put|delete|any)\(/g)].map(([, it]) => it);
    assert.ok(methods.length > 0, `no method of ${path} can be read: ${rest}`);
    for (const method of methods) found.push([method === "any" ? "GET" : method.toUpperCase(), filled]);
  }
  assert.equal(new Set(found.map(([, path]) => path)).size > 50, true, "the table is longer than that");
  return found;
}

/** Everything a page can do to `origin` without its leave; what it got out of it, one line each. */
const attack = async ([origin, routes, all]) => {
  const got = [];
  const some = async (list, work) => {
    const rest = [...list];
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        for (let next = rest.shift(); next; next = rest.shift()) await work(...next);
      }),
    );
  };
  const own = origin === location.origin;
  const read = async (how, method, path, options) => {
    const stop = AbortSignal.timeout(60_000);
    try {
      const answer = await fetch(origin + path, { method, credentials: "include", signal: stop, ...options });
      // A name made to point here is the same origin: it may read that it was refused, and no more.
      if (answer.type === "opaque") return;
      if (!own || answer.status !== 403) got.push(`${how} ${method} ${path}: ${answer.status}`);
    } catch (error) {
      if (error.name === "TimeoutError") got.push(`${how} ${method} ${path}: no answer`);
    }
  };
  await some(routes, async (method, path) => {
    const body = method === "GET" ? undefined : "{}";
    const simple = { "content-type": "text/plain" };
    const json = { "content-type": "application/json", "x-more": "1" };
    await read("plain", method, path, { body, headers: body && simple });
    await read("asked first", method, path, { body, headers: json });
    if (["GET", "POST"].includes(method))
      await read("unread", method, path, { mode: "no-cors", body, headers: body && simple });
  });
  const paths = routes.filter(([method]) => method === "GET").map(([, path]) => [path]);
  // Chromium makes who opened many sockets in vain wait; the other pages try those that are sockets.
  const sockets = all ? paths : paths.filter(([path]) => /(terminal|stream|logs)$/.test(path));
  await some(sockets, async (path) => {
    const event = (it, good) =>
      new Promise((done) => {
        it.onopen = () => {
          got.push(`${good} ${path}`);
          done();
        };
        it.onerror = done;
        it.onclose = done;
      });
    const socket = new WebSocket(origin.replace("http", "ws") + path);
    await event(socket, "a socket opened at");
    socket.close();
    const source = new EventSource(origin + path, { withCredentials: true });
    await event(source, "a stream opened at");
    source.close();
  });
  // What a page embeds and posts by a form is asked for like the rest; a few routes show it.
  const event = (it, good) =>
    new Promise((done) => {
      it.onload = () => {
        got.push(good);
        done();
      };
      it.onerror = done;
    });
  await some(paths.slice(0, 6), async (path) => {
    const image = new Image();
    image.src = origin + path;
    await event(image, `a picture from ${path}`);
    const script = document.createElement("script");
    script.src = origin + path;
    document.body.append(script);
    await event(script, `a script from ${path}`);
  });
  // The answer to a form is drawn in a frame.
  await some(
    routes.filter(([method, path]) => method === "POST" && /(edits|go|destroy|stop|sessions?)$/.test(path)),
    async (_, path) => {
      const frame = document.createElement("iframe");
      frame.name = `f${Math.random()}`;
      document.body.append(frame);
      const form = document.createElement("form");
      Object.assign(form, {
        action: origin + path,
        method: "post",
        enctype: "text/plain",
        target: frame.name,
      });
      form.innerHTML = "<input name='{\"a\":\"' value='\"}'>";
      document.body.append(form);
      const loaded = new Promise((done) => {
        frame.onload = done;
      });
      form.submit();
      await Promise.race([loaded, new Promise((done) => setTimeout(done, 20_000))]);
      try {
        if (!own && frame.contentDocument?.body?.textContent) got.push(`a form at ${path} can be read`);
      } catch {
        // Not of this page's origin: as it should be.
      }
      frame.remove();
    },
  );
  return got;
};

/** What must be the same afterwards. */
async function state(page) {
  const of = (path) => must(page, "GET", path);
  const { blocks, changes, revision } = await of(`/v1/apps/${APP}/model`);
  const { apps } = await of("/v1/apps");
  const { operations } = await of("/v1/operations");
  const { sessions } = await of("/v1/sessions");
  const { entries } = await of(`/v1/apps/${APP}/history`);
  return JSON.stringify({
    revision,
    blocks: blocks.map((it) => [it.name, it.x, it.y]),
    changes: changes.length,
    apps: apps.map((it) => it.name),
    operations: operations.map((it) => it.id),
    sessions: sessions.length,
    entries: entries.length,
  });
}

export async function strangers(server, browser) {
  const pages = createServer((_, answer) => {
    answer.writeHead(200, { "content-type": "text/html" });
    answer.end("<!doctype html><title>another page</title><p>hello");
  });
  await new Promise((done) => pages.listen(0, "127.0.0.1", done));
  const port = pages.address().port;
  const one = await person(browser, server);
  const { page } = one;
  try {
    await makeApp(page, APP);
    await must(page, "POST", `/v1/apps/${APP}/edits`, {
      edits: [{ verb: "add", block: "web", use: "postgres@15" }],
    });
    // Signed in under both names of this machine, for a cookie belongs to a name.
    const twin = await one.context.newPage();
    await twin.goto(server.link().replace("127.0.0.1", "localhost"));
    await twin.waitForURL((url) => !url.pathname.startsWith("/open"));
    await eventually(20, "signed in as localhost", async () =>
      assert.equal(await twin.evaluate(async () => (await fetch("/v1/me")).status), 200),
    );
    const before = await state(page);
    const list = routes();
    // The same attack from the canvas's own page gets something: it is a real one.
    const own = await page.evaluate(attack, [server.origin, [["GET", "/v1/version"]]]);
    assert.ok(own.includes("plain GET /v1/version: 200"), own.join("\n"));
    const mapped = `http://evil.example:${server.canvas}`;
    for (const [foreign, targets] of [
      [`http://evil.example:${port}`, [server.origin]],
      [`http://shop.localhost:${port}`, [server.origin, `http://localhost:${server.canvas}`]],
      [`http://127.0.0.1:${port}`, [server.origin]],
      [mapped, [mapped]],
    ]) {
      for (const origin of targets) {
        // The refusal of a mapped name forbids its own page everything; an attacker's old page, from
        // before the name was moved, would not.
        const bad = await one.context.newPage();
        const answers = [];
        bad.on("response", (answer) => {
          const url = new URL(answer.url());
          if (url.origin === origin && url.pathname !== "/old-page" && answer.status() !== 403)
            answers.push(`${answer.request().method()} ${url.pathname}: ${answer.status()}`);
        });
        if (foreign === mapped)
          await bad.route("**/old-page", (route) =>
            route.fulfill({ contentType: "text/html", body: "<!doctype html><p>hello" }),
          );
        await bad.goto(`${foreign}/old-page`);
        const got = await bad.evaluate(attack, [
          origin,
          list,
          foreign.startsWith("http://evil") && foreign !== mapped,
        ]);
        assert.deepEqual([...got, ...answers], [], `${foreign} got something from ${origin}`);
        await bad.close();
      }
    }
    assert.equal(await state(page), before, "a page of somebody else changed something");
    // However much knocked, the owner gets in with a link, and who was in still is.
    const again = await person(browser, server, { name: "Ada Lovelace" });
    await again.context.close();
    assert.equal(
      await state(page),
      before.replace(/"sessions":(\d+)/, (_, n) => `"sessions":${Number(n) + 1}`),
    );
  } finally {
    pages.close();
    await one.context.close();
  }
}
