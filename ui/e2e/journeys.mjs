// A person who has never seen it: an empty canvas, modules from the shelf, a folder of their own,
// wires, Go, the address, a change of code, undo. By mouse, then by keys alone.
import assert from "node:assert/strict";
import { clean, person } from "./browser.mjs";
import { eventually } from "./server.mjs";

const GO = 400_000;

const block = (page, name) => page.locator(`[data-block-button="${name}"]`);
const card = (page, name) => page.locator(".shelf-card", { hasText: new RegExp(`^${name}`) });

async function newApp(page, name, press) {
  // The first app of a machine begins on the empty state, a later one on the list.
  const begin = page.getByRole("button", { name: /New app|empty canvas/ }).first();
  await begin.waitFor();
  if (press) {
    await begin.focus();
    await page.keyboard.press("Enter");
    await page.getByLabel("Name of the app").waitFor();
    await page.keyboard.type(name);
    await page.keyboard.press("Enter");
  } else {
    await begin.click();
    await page.getByLabel("Name of the app").fill(name);
    await page.getByRole("button", { name: "Make it" }).click();
  }
  await page.waitForURL(`**/apps/${name}`);
}

/** What the page, the file and the server's model say must be one. */
async function agree(page, app) {
  const model = await page.evaluate(async (app) => (await fetch(`/v1/apps/${app}/model`)).json(), app);
  const file = await page.evaluate(async (app) => (await fetch(`/v1/apps/${app}/file`)).json(), app);
  assert.equal(model.revision, file.revision);
  for (const it of model.blocks) {
    assert.match(file.text, new RegExp(`^\\[${it.name}\\]`, "m"), `${it.name} is not in app.toml`);
  }
  return { model, text: file.text };
}

/** Waits until something stands where it stood a moment ago. */
async function resting(locator) {
  let last = "";
  await eventually(20, "it stands still", async () => {
    const before = last;
    last = JSON.stringify(await locator.boundingBox());
    assert.ok(last !== "null" && last === before, "it moves");
  });
}

async function live(server, app, words) {
  await eventually(30, "the page answers", async () => {
    const answer = await server.page(app);
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.text.includes(words), answer.text);
  });
}

export async function byMouse(server, browser) {
  const one = await person(browser, server);
  const { page } = one;
  const app = "mousy";
  await newApp(page, app, false);
  server.hello(app);
  const canvas = page.locator(".react-flow__pane").first();
  const drop = async (name, x, y) => card(page, name).first().dragTo(canvas, { targetPosition: { x, y } });
  await drop("postgres", 160, 640);
  await block(page, "postgres").waitFor();
  // Two brokers: which one is meant, only a person can say.
  for (const y of [120, 320]) await drop("rabbitmq", 160, y);
  const brokers = page.locator('[data-block-button^="rabbitmq"]');
  await brokers.nth(1).waitFor();
  await page.getByRole("button", { name: /Your source/ }).click();
  await page.getByLabel("Folder").fill("./hello");
  await page.getByRole("dialog").getByRole("button", { name: /^Add/ }).click();
  await block(page, "hello").click();
  await page.getByRole("tab", { name: "Wires" }).click();
  for (const [type, name] of [
    ["postgres/1", "db"],
    ["amqp/1", "jobs"],
  ]) {
    await page.getByRole("button", { name: "Need something" }).click();
    await page.getByLabel("Interface").selectOption(type);
    await page.getByLabel("Name of the socket").fill(name);
    await page.getByRole("button", { name: "Add the socket" }).click();
    await page.locator(`[data-handleid="need:${name}"]`).first().waitFor();
  }
  await eventually(10, "the database is the only one, so it is tied; the broker is not", async () =>
    assert.equal((await agree(page, app)).model.wires.length, 1),
  );
  // A wire by drag, from the socket to the first broker's offer.
  await page.getByRole("button", { name: "Close the inspector" }).click();
  await page.getByRole("button", { name: /See everything/ }).click();
  await resting(page.locator('[data-handleid="need:jobs"] .port-dot').first());
  const from = page.locator('[data-handleid="need:jobs"] .port-dot').first();
  const to = page.locator('[data-id="rabbitmq"] [data-handleid^="offer:"] .port-dot').first();
  const [a, b] = [await from.boundingBox(), await to.boundingBox()];
  await page.mouse.move(a.x + a.width / 2, a.y + a.height / 2);
  await page.mouse.down();
  await page.mouse.move((a.x + b.x) / 2, (a.y + b.y) / 2, { steps: 6 });
  await page.mouse.move(b.x + b.width / 2, b.y + b.height / 2, { steps: 12 });
  // A hand rests for a moment before it lets go.
  await page.waitForTimeout(150);
  await page.mouse.move(b.x + b.width / 2 + 1, b.y + b.height / 2);
  await page.waitForTimeout(50);
  await page.mouse.up();
  const { text } = await eventually(10, "both wires are in the file", async () => {
    const now = await agree(page, app);
    assert.equal(now.model.wires.length, 2, now.text);
    return now;
  });
  assert.match(text, /jobs = "rabbitmq"/);
  // The broker that nobody uses goes again; its data, had it any, would stay.
  await brokers.nth(1).focus();
  await page.keyboard.press("Delete");
  await eventually(10, "one broker is left", async () =>
    assert.equal((await agree(page, app)).model.blocks.length, 3),
  );
  // The canvas may still move from what was removed; a hand that missed clicks again.
  await eventually(15, "the inspector shows hello", async () => {
    await block(page, "hello").click({ timeout: 3000 });
    await page.getByRole("tab", { name: "Access" }).click({ timeout: 3000 });
  });
  await page.getByRole("button", { name: "Make public" }).click();
  // At once: Go waits for the edit that is on its way.
  await page.getByRole("button", { name: "Go", exact: true }).click();
  await page.locator('.go-panel[data-state="running"]').waitFor();
  await page.locator('.go-panel[data-state="done"]').waitFor({ timeout: GO });
  const url = await page.locator(".go-panel a.button").getAttribute("href");
  assert.equal(url, `http://${app}.localhost:${server.http}`);
  await live(server, app, "first edition; database postgres");
  // The address opens in a page of its own.
  const second = await one.context.newPage();
  await second.goto(url);
  assert.match(await second.textContent("body"), /first edition/);
  await second.close();
  // The code changes; Go takes it; undo of the Go brings the first edition back.
  server.say(app, "hello from the second edition");
  server.shelf(["push", "hello"], `${server.data}/apps/${app}`);
  await live(server, app, "second edition");
  one.wrongs.splice(
    0,
    one.wrongs.length,
    ...one.wrongs.filter((it) => !it.startsWith(`asked http://${app}.localhost`)),
  );
  await page.goto(`${server.origin}/apps/${app}/releases`);
  await page
    .getByRole("button", { name: /go back/i })
    .first()
    .click();
  await page
    .getByRole("dialog")
    .getByRole("button", { name: /go back/i })
    .click();
  await live(server, app, "first edition");
  clean(one);
  await one.context.close();
}

export async function byKeys(server, browser) {
  const one = await person(browser, server, { name: "Karl Keys" });
  const { page } = one;
  const app = "keyed";
  await page.evaluate(() => {
    // A mouse event in this journey is a failure, whoever makes it.
    for (const kind of ["mousedown", "pointerdown", "touchstart"])
      addEventListener(
        kind,
        (event) => {
          if (event.isTrusted) window.moused = kind;
        },
        true,
      );
  });
  await newApp(page, app, true);
  server.hello(app);
  const type = (text) => page.keyboard.type(text, { delay: 5 });
  const press = (key) => page.keyboard.press(key);
  await page.locator('[role="application"], [data-region="canvas"]').first().waitFor();
  for (const name of ["postgres", "rabbitmq"]) {
    await page.locator("[data-shelf-search]").focus();
    await type(name);
    await card(page, name).first().waitFor();
    await press("Enter");
    await block(page, name).waitFor();
  }
  await page.getByRole("button", { name: /Your source/ }).focus();
  await press("Enter");
  await page.getByLabel("Folder").focus();
  await type("hello");
  await press("Enter");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await block(page, "hello").waitFor();
  await block(page, "hello").focus();
  await press("Enter");
  await page.getByRole("tab", { name: "Wires" }).focus();
  await press("Enter");
  await page.getByRole("button", { name: "Need something" }).focus();
  await press("Enter");
  await page.getByLabel("Interface").focus();
  await page.getByLabel("Interface").selectOption("postgres/1");
  await page.getByLabel("Name of the socket").fill("db");
  await press("Enter");
  await page.locator('[data-handleid="need:db"]').first().waitFor();
  await page.getByRole("tab", { name: "Access" }).focus();
  await press("Enter");
  await page.getByRole("button", { name: "Make public" }).focus();
  await press("Enter");
  // Undo and redo are verbs too.
  const before = await eventually(10, "the path is in the file", async () => {
    const now = await agree(page, app);
    assert.match(now.text, /path/);
    return now;
  });
  await block(page, "hello").focus();
  await press("Control+z");
  await eventually(10, "undo takes the path away", async () =>
    assert.doesNotMatch((await agree(page, app)).text, /path/),
  );
  await press("Control+Shift+Z");
  await eventually(10, "redo gives the same bytes", async () =>
    assert.equal((await agree(page, app)).text, before.text),
  );
  await press("Control+Enter");
  await page.waitForURL(`**/apps/${app}/plan`);
  await page.getByRole("heading", { name: /plan/i }).first().waitFor();
  await page.getByRole("heading", { name: "What happens" }).waitFor();
  await page.getByText("New address").waitFor();
  await page.locator("[data-go]:enabled").waitFor();
  await press("Control+Enter");
  await page.locator('.go-panel[data-state="done"]').waitFor({ timeout: GO });
  await live(server, app, "first edition; database postgres");
  assert.equal(await page.evaluate(() => window.moused), undefined, "a mouse was used");
  clean(one);
  await one.context.close();
}
