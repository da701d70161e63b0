// Everybody can use it: each state without a broken rule, in forced colours, at 400 %, with the
// focus in sight; and the Outline does all that the canvas does. Where next: looks.mjs (each screen).
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, fileOf, makeApp, modelOf, write } from "./api.mjs";
import { clean, person } from "./browser.mjs";
import { broken } from "./looks.mjs";
import { eventually } from "./server.mjs";

const APP = "stated";
const FILE = `app = "${APP}"

[db]
use = "postgres@15"

[db2]
use = "postgres@15"

[web]
source = "./web"
needs = { db = "postgres/1" }
wire = { db = "db" }
run = { web = { port = 8080, path = "/" } }
`;
const block = (page, name) => page.locator(`[data-block-button="${name}"]`);

/** The app of these tests; each can run alone. */
async function ready(server, page) {
  if ((await ask(page, "GET", `/v1/apps/${APP}/model`)).status === 200) return;
  await makeApp(page, APP);
  await makeApp(page, `${APP}-empty`);
  const web = join(server.data, "apps", APP, "web");
  mkdirSync(web, { recursive: true });
  writeFileSync(join(web, "Dockerfile"), "FROM scratch\nCOPY not-there /\n");
  await write(page, APP, FILE);
}

/** Brings each state about on one page; the name of each comes before it is looked at. */
function* states(server, page) {
  const canvas = async () => {
    await page.goto(`${server.origin}/apps/${APP}`);
    await block(page, "web").waitFor();
  };
  const away = () => page.keyboard.press("Escape");
  yield [
    "empty",
    async () => {
      await page.goto(`${server.origin}/apps/${APP}-empty`);
      await page
        .getByRole("heading", { level: 2 })
        .or(page.locator(".empty, .outline-empty"))
        .first()
        .waitFor();
    },
  ];
  yield ["draft", canvas];
  for (const tab of ["Settings", "Wires", "Assumptions", "Files", "Runs", "Access", "Danger"])
    yield [
      `inspector, ${tab}`,
      async () => {
        if (tab === "Settings") await block(page, "web").click();
        await page.getByRole("tab", { name: tab }).click();
        await page.getByRole("tabpanel").first().waitFor();
      },
    ];
  yield [
    "menu",
    async () => {
      await block(page, "web").focus();
      await page.keyboard.press("Shift+F10");
      await page.getByRole("menu").waitFor();
    },
  ];
  yield [
    "palette",
    async () => {
      await away();
      await page.keyboard.press("Control+k");
      await page.getByRole("option").first().waitFor();
    },
  ];
  yield [
    "keys",
    async () => {
      await away();
      await block(page, "web").focus();
      await page.keyboard.press("?");
      await page.getByRole("dialog").waitFor();
    },
  ];
  yield [
    "connect list",
    async () => {
      await away();
      await block(page, "web").focus();
      await page.keyboard.press("c");
      await page.getByRole("dialog").waitFor();
    },
  ];
  yield [
    "wire begun",
    async () => {
      await away();
      await page.locator('[data-handleid="need:db"] button').first().click();
      await page.locator('[data-fit="fits"]').first().waitFor();
    },
  ];
  for (const [key, name] of [
    ["l", "logs"],
    ["t", "terminal"],
    ["m", "metrics"],
  ])
    yield [
      `drawer, ${name}`,
      async () => {
        await canvas();
        await block(page, "db").focus();
        await page.keyboard.press(key);
        await page.getByRole("region", { name: "Drawer" }).getByRole("tab").first().waitFor();
      },
    ];
  yield [
    "new app",
    async () => {
      await page.goto(server.origin);
      await page
        .getByRole("button", { name: /New app/ })
        .first()
        .click();
      await page.getByRole("dialog").waitFor();
    },
  ];
}

export async function inEachState(server, browser) {
  const wrong = [];
  for (const theme of ["light", "dark"]) {
    const one = await person(browser, server, { theme });
    await ready(server, one.page);
    for (const [name, bring] of states(server, one.page)) {
      await bring().catch((error) =>
        wrong.push(`${name} ${theme}: not reached: ${error.message.split("\n")[0]}`),
      );
      wrong.push(...(await broken(one.page)).map((it) => `${name} ${theme}: ${it}`));
    }
    clean(one);
    await one.context.close();
  }
  assert.deepEqual(wrong, []);
}

/** A Go that fails: the build names what is missing; then a file that is broken. */
export async function inFailure(server, browser) {
  const wrong = [];
  const one = await person(browser, server);
  const { page } = one;
  const app = "failing";
  await makeApp(page, app);
  const web = join(server.data, "apps", app, "web");
  mkdirSync(web, { recursive: true });
  writeFileSync(join(web, "Dockerfile"), "FROM scratch\nCOPY not-there /\n");
  await write(page, app, `app = "${app}"\n\n[web]\nsource = "./web"\nrun = { web = { port = 8080 } }\n`);
  await page.goto(`${server.origin}/apps/${app}`);
  await page.getByRole("button", { name: "Go", exact: true }).click();
  await page.locator('.go-panel[data-state="failed"]').waitFor({ timeout: 300_000 });
  wrong.push(...(await broken(page)).map((it) => `failure: ${it}`));
  const { text } = await fileOf(page, app);
  writeFileSync(join(server.data, "apps", app, "app.toml"), `${text}\n[broken\n`);
  await page
    .getByText(/line \d+/i)
    .first()
    .waitFor();
  wrong.push(...(await broken(page)).map((it) => `broken file: ${it}`));
  writeFileSync(join(server.data, "apps", app, "app.toml"), text);
  clean(one);
  await one.context.close();
  assert.deepEqual(wrong, []);
}

const PAGES = [
  "/",
  `/apps/${APP}`,
  `/apps/${APP}/file`,
  `/apps/${APP}/plan`,
  `/apps/${APP}/releases`,
  "/shelf",
  "/system",
];
const settled = (page) =>
  page.waitForFunction(
    () =>
      document.querySelector("h1, [role=treeitem], [data-block-button]") &&
      ![...document.querySelectorAll(".loading")].some((it) => it.checkVisibility()),
  );

/** Forced colours keep what has an edge; 320 px, which 400 % of a window is, need no sideways scroll. */
export async function forcedAndMagnified(server, browser) {
  const wrong = [];
  const forced = await person(browser, server);
  await ready(server, forced.page);
  await forced.page.emulateMedia({ forcedColors: "active" });
  const magnified = await person(browser, server, { width: 320, height: 300 });
  for (const path of PAGES) {
    await forced.page.goto(server.origin + path);
    await settled(forced.page);
    wrong.push(...(await broken(forced.page)).map((it) => `${path} in forced colours: ${it}`));
    const edgeless = await forced.page.evaluate(() =>
      [...document.querySelectorAll("button.button, .block, input, select, [role=dialog], .card")]
        .filter((it) => it.checkVisibility() && it.type !== "checkbox")
        .filter((it) => {
          const { borderTopWidth, borderTopStyle, outlineStyle } = getComputedStyle(it);
          const around = it.parentElement && getComputedStyle(it.parentElement).borderTopStyle !== "none";
          return (
            (Number.parseFloat(borderTopWidth) === 0 || borderTopStyle === "none") &&
            outlineStyle === "none" &&
            !around
          );
        })
        .map((it) => `${it.tagName.toLowerCase()}.${it.className}`),
    );
    wrong.push(...[...new Set(edgeless)].map((it) => `${path} in forced colours: ${it} has no edge`));
    await magnified.page.goto(server.origin + path);
    await settled(magnified.page);
    wrong.push(...(await broken(magnified.page)).map((it) => `${path} at 400 %: ${it}`));
    const over = await magnified.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 1) wrong.push(`${path} at 400 %: ${over} px wider than the window`);
  }
  for (const one of [forced, magnified]) {
    clean(one);
    await one.context.close();
  }
  assert.deepEqual(wrong, []);
}

/** Tab through each screen: what has the focus is in the window and not wholly covered (2.4.11). */
export async function focusInSight(server, browser) {
  const wrong = [];
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ]) {
    const one = await person(browser, server, { width, height });
    await ready(server, one.page);
    for (const path of PAGES) {
      await one.page.goto(server.origin + path);
      await settled(one.page);
      let stops = 0;
      for (; stops < 40; stops += 1) {
        await one.page.keyboard.press("Tab");
        const hidden = await one.page.evaluate(async () => {
          // What moves out of the way does so in the next frame.
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          const it = document.activeElement;
          if (!it || it === document.body) return "end";
          const spoken = it.closest(".spoken, .skip");
          const box = it.getBoundingClientRect();
          if (spoken || box.width < 2) return null;
          const xs = [box.x + 2, box.x + box.width / 2, box.right - 2];
          const ys = [box.y + 2, box.y + box.height / 2, box.bottom - 2];
          const seen = xs.some((x) =>
            ys.some((y) => {
              const top = document.elementFromPoint(x, y);
              return top !== null && (it.contains(top) || top.contains(it));
            }),
          );
          return seen
            ? null
            : `${it.tagName.toLowerCase()} ${it.getAttribute("aria-label") ?? it.textContent?.slice(0, 30)}`;
        });
        if (hidden === "end") break;
        if (hidden) wrong.push(`${path} ${width}: the focus is out of sight on ${hidden}`);
      }
      if (stops < 3) wrong.push(`${path} ${width}: only ${stops} stops`);
    }
    clean(one);
    await one.context.close();
  }
  assert.deepEqual(wrong, []);
}

/** The third journey: a screen reader's, by the Outline and keys alone. */
export async function byOutline(server, browser) {
  const one = await person(browser, server, { name: "Olga Outline" });
  const { page } = one;
  const app = "outlined";
  await makeApp(page, app);
  server.hello(app);
  await write(
    page,
    app,
    `app = "${app}"\n\n[db]\nuse = "postgres@15"\n\n[db2]\nuse = "postgres@15"\n\n[hello]\nsource = "./hello"\nneeds = { extra = "postgres/1" }\nrun = { hello = { port = 8080 } }\n`,
  );
  await page.goto(`${server.origin}/apps/${app}`);
  const press = (key) => page.keyboard.press(key);
  await page.getByRole("tab", { name: "Outline" }).focus();
  await press("Enter");
  const tree = page.getByRole("tree", { name: `Outline of ${app}` });
  await tree.waitFor();
  const said = await tree.ariaSnapshot();
  for (const line of [
    /treeitem "db postgres 15[^"]*draft[^"]*"/,
    /treeitem "hello [^"]*draft[^"]*"/,
    /treeitem "extra[^"]*postgres\/1[^"]*"/,
  ])
    assert.match(said, line);
  // Each item says where it is among how many.
  const places = await tree
    .getByRole("treeitem")
    .evaluateAll((all) => all.map((it) => [it.ariaLevel, it.ariaPosInSet, it.ariaSetSize].map(Number)));
  for (const [level, pos, size] of places)
    assert.ok(level >= 1 && pos >= 1 && pos <= size, `${level} ${pos}/${size}`);
  assert.deepEqual(
    places.filter(([level]) => level === 1).map(([, pos, size]) => `${pos}/${size}`),
    ["1/3", "2/3", "3/3"],
  );
  // To the source by its first letter, down to its socket, and tie it.
  await tree.getByRole("treeitem").first().focus();
  await press("h");
  await eventually(5, "the focus is on hello", async () =>
    assert.equal(await page.evaluate(() => document.activeElement.dataset.leaf), "hello"),
  );
  await press("c");
  const list = page.getByRole("dialog");
  await list.waitFor();
  await page.keyboard.type("db2");
  await press("Enter");
  await eventually(10, "the wire is in the file", async () => {
    const { wires } = await modelOf(page, app);
    assert.ok(
      wires.some((it) => it.consumer === "hello" && it.provider === "db2"),
      JSON.stringify(wires),
    );
  });
  await press("Escape");
  await list.waitFor({ state: "hidden" });
  await eventually(10, "the tree says it", async () =>
    assert.match(await tree.ariaSnapshot(), /treeitem "[^"]*db2[^"]*wired/),
  );
  // The other database goes by Delete, and comes back by undo, byte for byte.
  const before = (await fileOf(page, app)).text;
  const first = tree.locator('[data-leaf="db"]');
  await first.focus();
  await press("Delete");
  await first.waitFor({ state: "detached" });
  assert.doesNotMatch((await fileOf(page, app)).text, /^\[db\]/m);
  await tree.locator('[data-leaf="hello"]').focus();
  await press("Control+z");
  await first.waitFor();
  assert.equal((await fileOf(page, app)).text, before);
  // What would happen, as it is read out.
  await press("Control+Enter");
  await page.waitForURL(`**/apps/${app}/plan`);
  await page.getByRole("heading", { name: "What happens" }).waitFor();
  const plan = await page.getByRole("region", { name: "What happens" }).ariaSnapshot();
  for (const name of ["db", "db2", "hello"])
    assert.match(plan, new RegExp(`listitem:?[\\s\\S]*strong: ${name}|listitem:.*${name}`), plan);
  clean(one);
  await one.context.close();
}
