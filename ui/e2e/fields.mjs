// What a person decides: whose change of a field stays, which blocks are a group, where a password goes.
// By keys where a key is promised; the file on the disk is the judge.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeApp, must } from "./api.mjs";
import { clean, person } from "./browser.mjs";
import { broken } from "./looks.mjs";
import { eventually } from "./server.mjs";

export async function decided(server, browser) {
  const app = "decided";
  const ada = await person(browser, server);
  const { page } = ada;
  await makeApp(page, app);
  server.hello(app);
  const file = join(server.data, "apps", app, "app.toml");
  const layout = join(server.data, "apps", app, "app.layout.toml");
  const says = (path, words) =>
    eventually(10, words, () => {
      if (!readFileSync(path, "utf8").includes(words)) throw new Error(readFileSync(path, "utf8"));
    });
  await must(page, "POST", `/v1/apps/${app}/edits`, {
    edits: [
      { verb: "add", block: "db", use: "postgres@15" },
      { verb: "add", block: "hello", source: "./hello" },
      { verb: "set", block: "db", setting: "memory", value: "640Mi" },
    ],
  });
  await page.goto(`${server.origin}/apps/${app}`);

  // An editor writes the same field: nothing is decided unasked.
  await page.locator("[data-block-button=db]").waitFor();
  writeFileSync(file, readFileSync(file, "utf8").replace("640Mi", "768Mi"));
  const question = page.getByRole("alert", { name: "Two changes of one field" });
  await question.getByText("768Mi").waitFor();
  assert.deepEqual(await broken(page), []);
  assert.match(readFileSync(file, "utf8"), /768Mi/, "the file keeps theirs until the person says so");
  await question.getByRole("button", { name: "See both" }).press("Enter");
  await page.getByRole("button", { name: /^Keep mine, 640Mi/ }).press("Enter");
  await question.waitFor({ state: "detached" });
  await says(file, "640Mi");

  // A group by keys, in the layout file alone, and taken back.
  const before = readFileSync(file, "utf8");
  await page.locator("[data-block-button=db]").focus();
  await page.keyboard.press("Control+g");
  await page.getByLabel("Name of the group").fill("Data & more");
  await page.keyboard.press("Enter");
  await says(layout, 'group = "Data & more"');
  await page.getByRole("button", { name: "Select group Data & more, 1 blocks" }).waitFor();
  await page.getByRole("tab", { name: "Outline" }).click();
  await page.locator('[role="treeitem"][data-leaf="group/Data & more"][aria-level="1"]').waitFor();
  await page.locator('[role="treeitem"][data-leaf="db"][aria-level="2"]').waitFor();
  await page.keyboard.press("Control+z");
  await eventually(10, "the group is undone", () => {
    if (readFileSync(layout, "utf8").includes("group")) throw new Error(readFileSync(layout, "utf8"));
  });
  assert.equal(readFileSync(file, "utf8"), before, "a group is no part of the app");

  // The next step, by one key: the source gets a socket and the wire.
  await page.locator('[role="treeitem"][data-leaf="db"]').click();
  await page.getByRole("group", { name: "Next for db" }).getByText("let hello use db").waitFor();
  await page.locator("[data-block-button=db]").focus();
  await page.keyboard.press(".");
  await says(file, 'db = "postgres/1"');

  // A pasted .env: the address is the wire's, the password is the server's.
  await page.goto(`${server.origin}/apps/${app}?block=hello`);
  await page.getByRole("button", { name: "Paste .env" }).click();
  await page
    .getByLabel("Lines")
    .fill("DATABASE_URL=postgres://u:hunter2@h/d\nSESSION_SECRET=hunter3\nDEBUG=1");
  await page.getByRole("button", { name: "Take 3 lines" }).click();
  await says(file, "SESSION_SECRET = { given = true }");
  await says(file, 'DATABASE_URL = "{db.url}"');
  await page.getByRole("button", { name: "Take 3 lines" }).waitFor({ state: "detached" });
  assert.doesNotMatch(readFileSync(file, "utf8"), /hunter/);

  // The file the standard way, from the palette: what it says stays, and its comments.
  const tidy = () => server.shelf(["fmt", "--check"], join(file, ".."));
  writeFileSync(file, `${readFileSync(file, "utf8").replaceAll(" = ", "  =   ")}# by hand\n`);
  assert.throws(tidy, /is not written the standard way/);
  await page.locator("[data-block-button=db]").focus();
  await page.keyboard.press("Control+k");
  const anything = page.getByRole("dialog", { name: "Do anything" });
  await anything.getByRole("combobox").fill("Format app.toml");
  await page.keyboard.press("Enter");
  await eventually(10, "the file is tidy", tidy);
  assert.match(readFileSync(file, "utf8"), /SESSION_SECRET +=.*\n# by hand/);

  // A key for git push is shown once, opens, and ends.
  await page.goto(server.origin);
  await page.getByRole("button", { name: `More for ${app}` }).click();
  await page.getByRole("menuitem", { name: "git push" }).click();
  const pushing = page.getByRole("dialog", { name: `git push to ${app}` });
  await pushing.getByRole("button", { name: "Make a key" }).click();
  await pushing.getByText(`git remote add shelf ${server.origin}/git/${app}`).waitFor();
  assert.deepEqual(await broken(page), []);
  const password = await pushing.locator("dd").last().innerText();
  const opens = () => {
    const key = Buffer.from(`shelf:${password}`).toString("base64");
    const refs = `${server.origin}/git/${app}/info/refs?service=git-receive-pack`;
    return fetch(refs, { headers: { authorization: `Basic ${key}` } }).then((it) => it.status);
  };
  assert.equal(await opens(), 200);
  await pushing.getByRole("button", { name: "End all keys" }).click();
  await page.getByText(`No key opens ${app} any more; 1 ended`).first().waitFor();
  assert.equal(await opens(), 401);
  clean(ada);
  await ada.context.close();
}
