// What keeps an app well, from the canvas alone: an image of a registry as a block that is tied to a
// database, a tag that moves on, a new login for a wire, a backup and its way back.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { makeApp, must } from "./api.mjs";
import { clean, person } from "./browser.mjs";
import { broken } from "./looks.mjs";
import { eventually, freePort } from "./server.mjs";

const GO = 400_000;

/** A registry of this machine; `end` ends it. */
export async function registry(server) {
  const port = await freePort();
  const folder = join(server.folder, "registry");
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "config.yml");
  writeFileSync(
    config,
    `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${folder}/data\nhttp:\n  addr: 127.0.0.1:${port}\n`,
  );
  const child = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  await eventually(20, "the registry answers", async () => {
    await new Promise((done, failed) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        done();
      }).on("error", failed);
    });
  });
  return { port, end: () => child.kill() };
}

/** Builds an image that answers with a word and the login it was given, sends it out, forgets it here. */
function publish(server, name, word) {
  const folder = join(server.folder, "published");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "serve.pl"), PAGE.replace("WORD", word));
  writeFileSync(
    join(folder, "Dockerfile"),
    'FROM debian:12\nCOPY serve.pl /serve.pl\nEXPOSE 8000\nCMD ["perl", "/serve.pl"]\n',
  );
  for (const words of [
    ["build", "--tag", name, "."],
    ["image", "push", name],
    ["image", "rm", name],
  ])
    server.shelf(words, folder);
}

const PAGE = `use IO::Socket::INET;
$SIG{TERM} = sub { exit };
my $socket = IO::Socket::INET->new(LocalPort => 8000, Listen => 64, ReuseAddr => 1) or die $!;
while (my $client = $socket->accept) {
  while (<$client>) { last if /^\\r?\\n$/ }
  my $text = "WORD for $ENV{DB_USERNAME}";
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: ", length $text, "\\r\\nConnection: close\\r\\n\\r\\n$text";
  close $client;
}
`;

/** For who wants to see it with their own eyes. */
const look = async (page, name) => {
  const folder = process.env.SHELF_SHOTS;
  if (folder) await page.screenshot({ path: `${folder}/care-${name}.png` });
};

/** Presses a button once it can be pressed: while the page's stream opens, verbs are disabled. */
export async function press(button) {
  await eventually(20, "the button can be pressed", async () => assert.ok(await button.isEnabled()));
  await button.press("Enter");
}

/** Waits until the verb that was just begun has ended well; what its card says. */
export async function done(page, title) {
  const panel = page.locator('.go-panel[data-state="done"]', { hasText: title });
  const failed = page.locator('.go-panel[data-state="failed"]');
  await panel.or(failed).first().waitFor({ timeout: GO });
  const said = await page.locator(".go-panel").first().innerText();
  assert.ok(await panel.isVisible(), said);
  return said;
}

export async function cared(server, browser) {
  const here = await registry(server);
  try {
    await care(server, browser, `127.0.0.1:${here.port}/team/word`);
  } finally {
    here.end();
  }
}

async function care(server, browser, image) {
  publish(server, `${image}:1`, "one");
  const app = "cared";
  const one = await person(browser, server);
  const { page } = one;
  await makeApp(page, app);
  const file = join(server.data, "apps", app, "app.toml");
  const says = (words) =>
    eventually(10, words, () => {
      const text = readFileSync(file, "utf8");
      assert.ok(text.includes(words), text);
    });
  await must(page, "POST", `/v1/apps/${app}/edits`, {
    edits: [{ verb: "add", block: "db", use: "postgres@15" }],
  });
  await page.goto(`${server.origin}/apps/${app}`);

  // What is no image is refused where it was typed; nothing is written.
  await page.getByRole("button", { name: /^An image/ }).press("Enter");
  const dialog = page.getByRole("dialog", { name: "Add an image" });
  await dialog.getByLabel("Image").fill("no image");
  await dialog.getByRole("button", { name: "Add it" }).press("Enter");
  await dialog.getByRole("alert").getByText("names no image").waitFor();
  assert.deepEqual(await broken(page), []);
  await look(page, "image");
  await dialog.getByLabel("Image").fill(`${image}:1`);
  await dialog.getByLabel("Port").fill("8000");
  await page.keyboard.press("Enter");
  await says(`[word]\nimage = "${image}:1"\n`);

  // The dialog gives the focus back when it is gone, which would take it from the block.
  await dialog.waitFor({ state: "hidden" });
  await page.waitForFunction(() => document.activeElement !== document.body);

  // It is a block like any other: sockets, variables, an address.
  const spoken = await page.locator("[data-block-button=word]").getAttribute("aria-label");
  assert.match(spoken, /^word, draft, yours/);
  await page.locator("[data-block-button=word]").press("Enter");
  await page.getByRole("tab", { name: "Wires" }).click();
  await page.getByRole("button", { name: "Need something" }).press("Enter");
  await page.getByLabel("Interface").selectOption("postgres/1");
  await page.getByLabel("Name of the socket").fill("db");
  await page.keyboard.press("Enter");
  await says('"postgres/1"');
  await page.getByRole("tab", { name: "Access" }).click();
  await page.getByRole("button", { name: "Make public" }).press("Enter");
  await says('path = "/"');
  assert.deepEqual(await broken(page), []);
  await look(page, "block");

  await page.getByRole("button", { name: "Go", exact: true }).press("Enter");
  await done(page, "is live");
  const answer = (word, of = app) =>
    eventually(30, `the page says ${word}`, async () => {
      const { status, text } = await server.page(of);
      assert.equal(status, 200, text);
      assert.ok(text.startsWith(`${word} for `), text);
      return text;
    });
  const before = await answer("one");

  // A new login for the wire: the program has another name at the database, and the page says how.
  await page.goto(`${server.origin}/apps/${app}?wire=${encodeURIComponent("word.db>db")}`);
  const wire = page.getByRole("region", { name: "Wire from word to db" });
  await wire.getByRole("button", { name: "New login" }).press("Enter");
  assert.match(await done(page, "has a new login"), /word\.db logs in to db with the Secret /);
  assert.deepEqual(await broken(page), []);
  await look(page, "login");
  await eventually(30, "the program has the new login", async () => {
    assert.notEqual(await answer("one"), before);
  });

  // The tag moves on: the inspector writes it, the plan says it, Go takes it.
  publish(server, `${image}:2`, "two");
  await page.goto(`${server.origin}/apps/${app}?block=word`);
  await page.getByRole("tab", { name: "Files" }).click();
  await page.getByLabel("Image").fill(`${image}:2`);
  await page.keyboard.press("Enter");
  await says(`image = "${image}:2"\n`);
  await page.goto(`${server.origin}/apps/${app}/plan`);
  await page.getByText(`${image}:2`).first().waitFor();
  await look(page, "plan");
  await press(page.getByRole("button", { name: /^Go/ }).first());
  await done(page, "is live");
  await answer("two");

  // A backup, and back to it; the app's name is asked for, because rows are replaced.
  await page.goto(`${server.origin}/apps/${app}/releases`);
  await press(page.getByRole("button", { name: "Back up now" }));
  assert.match(await done(page, "is backed up"), /Kept as .*db /s);
  const kept = page.getByRole("list", { name: "Backups that are kept" });

  // By themselves, every day; what was set is read back, and ended.
  await press(page.getByRole("button", { name: "Schedule…" }));
  const schedule = page.getByRole("dialog", { name: "Scheduled backups" });
  await schedule.getByLabel("How often").selectOption("daily");
  await schedule.getByLabel("At (UTC)").fill("04:30");
  await schedule.getByLabel("How many are kept").fill("0");
  await schedule.getByText("A number from 1 to 1000.").waitFor();
  await schedule.getByLabel("How many are kept").fill("3");
  assert.deepEqual(await broken(page), []);
  await look(page, "schedule");
  await press(schedule.getByRole("button", { name: "Save" }));
  await page.getByText("By themselves at 30 4 * * * (UTC), the last 3 are kept.").waitFor();
  const asked = server.shelf(["-a", app, "backup", "schedule"]);
  assert.match(asked, /30 4 \* \* \* \(UTC\), the last 3 are kept/);
  await press(page.getByRole("button", { name: "Schedule…" }));
  assert.equal(await schedule.getByLabel("At (UTC)").inputValue(), "04:30");
  await schedule.getByLabel("How often").selectOption("never");
  await press(schedule.getByRole("button", { name: "Save" }));
  await page.getByText(/^Made by hand, and by the server itself/).waitFor();

  await press(kept.getByRole("button", { name: "Restore…" }).first());
  const restore = page.getByRole("dialog", { name: /^Restore the backup/ });
  await restore.getByRole("radio", { name: /^This app/ }).check();
  assert.deepEqual(await broken(page), []);
  await look(page, "restore");
  const replace = restore.getByRole("button", { name: "Replace the data" });
  assert.ok(await replace.isDisabled(), "the name was not asked for");
  await restore.getByLabel(/^Type cared/).fill(app);
  await press(replace);
  assert.match(await done(page, "is restored"), /cared has db /);
  await look(page, "backups");

  // One that is not wanted any more is deleted, once it was asked.
  const all = await kept.getByRole("listitem").count();
  await press(kept.getByRole("button", { name: "Delete this backup" }).last());
  const deletion = page.getByRole("dialog", { name: /^Delete the backup/ });
  assert.deepEqual(await broken(page), []);
  await look(page, "delete");
  await press(deletion.getByRole("button", { name: "Delete it" }));
  await eventually(10, "one backup less", async () =>
    assert.equal(await kept.getByRole("listitem").count(), all - 1),
  );
  await answer("two");

  // A second app with a copy of the data lives beside this one.
  await press(page.getByRole("button", { name: "Copy the app…" }));
  const copying = page.getByRole("dialog", { name: `Copy ${app}` });
  await copying.getByLabel("Name of the new app").fill("twin");
  assert.deepEqual(await broken(page), []);
  await look(page, "copy");
  await press(copying.getByRole("button", { name: "Copy it" }));
  assert.match(await done(page, "is copied"), /twin has db /);
  await answer("two", "twin");
  await must(page, "POST", "/v1/apps/twin/destroy", { data: "twin" });

  // The newer version is tried on a copy of the data, and then made.
  await page.goto(`${server.origin}/apps/${app}?block=db`);
  await page.getByRole("tab", { name: "Danger" }).click();
  const upgrade = page.getByRole("region", { name: "Upgrade" });
  await press(upgrade.getByRole("button", { name: "Rehearse" }));
  assert.match(await done(page, "was tried"), /15\.1\.0 to 17\.1\.0 went well.*That was a rehearsal/s);
  await look(page, "rehearsed");
  await press(upgrade.getByRole("button", { name: "Upgrade" }));
  await page.getByText(/It runs now; what was before is kept as/).waitFor({ timeout: GO });
  await says('use = "postgres@17"');
  await answer("two");

  // The last rung: what costs less is said before the module is copied.
  await page.goto(`${server.origin}/apps/${app}?block=db`);
  await page.getByRole("tab", { name: "Danger" }).click();
  await press(page.getByRole("button", { name: "What it would cost" }));
  const fork = page.getByRole("region", { name: "Make the module yours" });
  await fork.getByText("shelf set db NAME=VALUE").waitFor();
  await fork.getByText(/is not upgraded here any more/).waitFor();
  assert.ok(!existsSync(join(file, "../db")), "asking what it costs has copied it");
  assert.deepEqual(await broken(page), []);
  await look(page, "fork");
  await press(fork.getByRole("button", { name: "Copy the module" }));
  await says('[db]\nmodule = "./db"');
  assert.ok(existsSync(join(file, "../db/module.toml")), "the copy is there");
  await fork.waitFor({ state: "hidden" });
  clean(one);
  await must(page, "POST", `/v1/apps/${app}/destroy`, { data: app });
  await eventually(60, "it is gone", async () => {
    const { apps } = await must(page, "GET", "/v1/apps");
    const found = apps.find((it) => it.name === app);
    assert.ok(!found || found.released_at === null || found.released_at === undefined, JSON.stringify(found));
  });
  await one.context.close();
}
