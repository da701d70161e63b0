// Go in bad weather: with only what is one's own, with a stream that is cut in the middle, and with a
// server that dies in the middle. Afterwards the page says what is true, and nothing is there twice.
import assert from "node:assert/strict";
import { makeApp, modelOf, must } from "./api.mjs";
import { clean, person } from "./browser.mjs";
import { broken } from "./looks.mjs";
import { eventually, PATIENCE } from "./server.mjs";

const GO = 60_000 * PATIENCE;
const panel = (page, state) => page.locator(`.go-panel[data-state="${state}"]`);
const edits = (page, app, all) => must(page, "POST", `/v1/apps/${app}/edits`, { edits: all });

export async function inBadWeather(server, browser) {
  const app = "weather";
  const ada = await person(browser, server, { name: "Ada Lovelace" });
  const bob = await person(browser, server, { name: "Bob Stone" });
  const { page } = ada;
  await makeApp(page, app);
  server.hello(app);
  await edits(page, app, [
    { verb: "add", block: "hello", source: "./hello", port: 8080 },
    { verb: "url", block: "hello", path: ["/"] },
  ]);
  // Bob's draft: a database that Ada does not ship.
  await edits(bob.page, app, [{ verb: "add", block: "db", use: "postgres@15" }]);
  for (const one of [ada, bob]) {
    await one.page.goto(`${server.origin}/apps/${app}`);
    for (const name of ["hello", "db"]) await one.page.locator(`[data-block-button="${name}"]`).waitFor();
  }
  const wrong = [];
  await page.getByRole("button", { name: "Go", exact: true }).click();
  await panel(page, "running").waitFor();
  wrong.push(...(await broken(page)).map((it) => `in the middle of a Go: ${it}`));
  await panel(page, "done").waitFor({ timeout: GO });
  await panel(bob.page, "done").waitFor({ timeout: GO });
  assert.deepEqual(wrong, []);
  const runs = async () => {
    const { blocks } = await must(page, "GET", `/v1/apps/${app}/status`);
    return blocks.filter((it) => it.wanted > 0).map((it) => `${it.name} ${it.ready}/${it.wanted}`);
  };
  assert.deepEqual(await runs(), ["hello 1/1"], "Bob's database went along");
  const { changes } = await modelOf(page, app);
  assert.deepEqual(
    changes.map((it) => it.by),
    ["Bob Stone"],
    "Bob's change is still his to ship, and Ada's is shipped",
  );

  // The stream is cut in the middle: the Go goes on, and the page has its end once.
  server.say(app, "hello from the second edition");
  await page.getByRole("button", { name: "Go", exact: true }).click();
  await panel(page, "running").waitFor();
  await ada.context.setOffline(true);
  await eventually(60, "the Go ends without the page", async () => {
    const { operations } = await must(bob.page, "GET", "/v1/operations");
    assert.ok(!operations.some((it) => it.app === app && it.running));
  });
  await ada.context.setOffline(false);
  await panel(page, "done").waitFor({ timeout: GO });
  assert.equal(await page.locator(".go-panel").count(), 1, "the end is told once");
  await serves(server, app, "second edition");

  // The server dies in the middle: the page says that the end is not known; Go again finishes it.
  server.say(app, "hello from the third edition");
  await page.getByRole("button", { name: "Go", exact: true }).click();
  await panel(page, "running").waitFor();
  await server.kill();
  await page
    .getByText(/cannot be reached/i)
    .first()
    .waitFor();
  await server.up();
  await page
    .getByText(/cannot be reached/i)
    .first()
    .waitFor({ state: "hidden" });
  await page.locator('.go-panel:not([data-state="running"])').waitFor({ timeout: GO });
  const { operations } = await must(page, "GET", "/v1/operations");
  assert.ok(!operations.some((it) => it.app === app && it.running), "no Go runs that nobody knows of");
  await page
    .getByRole("button", { name: /^Go( again)?$/ })
    .first()
    .click();
  await eventually(60, "the third edition runs, once", async () => {
    await serves(server, app, "third edition");
    assert.deepEqual(await runs(), ["hello 1/1"]);
  });
  await panel(page, "done").waitFor({ timeout: GO });
  for (const one of [ada, bob]) {
    clean(one);
    await one.context.close();
  }
}

async function serves(server, app, words) {
  await eventually(30, `the page says ${words}`, async () => {
    const { text } = await server.page(app);
    assert.ok(text.includes(words), text);
  });
}
