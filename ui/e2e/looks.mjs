// Every screen in both themes and three widths: no accessibility rule broken, nothing cut off at
// the side, and a heading that says where one is.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { clean, person } from "./browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Waits until a page shows what it has: nothing that loads, nothing that moves, and its pictures. */
export const settled = (page) =>
  page.waitForFunction(
    () =>
      document.querySelector("h1, h2, [role=treeitem], [data-block-button]") &&
      ![...document.querySelectorAll(".loading, [aria-busy=true]")].some((it) => it.checkVisibility()) &&
      [...document.images].every((it) => it.complete) &&
      // An editor counts from when it can be typed into: before, its text is no way to scroll it.
      [...document.querySelectorAll(".editor-host")].every((it) =>
        (it.shadowRoot ?? it).querySelector(".cm-content")?.checkVisibility(),
      ) &&
      !document
        .getAnimations()
        .some((it) => it.playState === "running" && it.effect.getTiming().iterations === 1),
  );

/** The rules that this page breaks, one line each. */
export async function broken(page) {
  // Through the protocol, not as a script element: the content policy stays as it is.
  await page.evaluate(AXE);
  return page.evaluate(async (values) => {
    const { violations } = await window.axe.run(document, {
      runOnly: { type: "tag", values },
      // It would put a style sheet that is still loading into a document of its own, as text: the
      // content policy forbids that, and the page would be blamed for it. No rule here needs it.
      preload: false,
      rules: { "target-size": { enabled: true } },
    });
    const rules = violations.map(
      (it) =>
        `${it.id}: ${it.nodes
          .map((node) => node.target.join(" "))
          .slice(0, 3)
          .join(" | ")}`,
    );
    // WCAG 1.4.10: nobody scrolls two ways to read. What scrolls in a box of its own may be wide.
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) {
      const out = [...document.querySelectorAll("body *")].filter(
        (it) => it.getBoundingClientRect().right > clientWidth + 1,
      );
      const names = out.slice(0, 3).map((it) => `${it.tagName.toLowerCase()}.${it.className}`);
      rules.push(`reflow: ${scrollWidth} px wide in ${clientWidth}: ${names.join(" | ")}`);
    }
    return rules;
  }, TAGS);
}

const SCREENS = (app) => [
  ["/", "h1"],
  [`/apps/${app}`, "[data-block-button], [role=treeitem]"],
  [`/apps/${app}/file`, ".cm-content, textarea, [role=treeitem], pre"],
  [`/apps/${app}/plan`, "h1, h2"],
  [`/apps/${app}/releases`, "h1, h2"],
  ["/shelf", "h1"],
  ["/system", "h1"],
];

/** All screens of an app that is there; `app` may run or be a draft. */
export async function screens(server, browser, app) {
  const wrong = [];
  for (const theme of ["light", "dark"]) {
    for (const [width, height] of [
      [1440, 900],
      [1024, 768],
      [390, 844],
    ]) {
      const one = await person(browser, server, { theme, width, height });
      for (const [path, ready] of SCREENS(app)) {
        const where = `${path} ${theme} ${width}`;
        await one.page.goto(server.origin + path);
        await one.page
          .locator(ready)
          .first()
          .waitFor()
          .catch(() => wrong.push(`${where}: never ready`));
        await settled(one.page);
        wrong.push(...(await broken(one.page)).map((it) => `${where}: ${it}`));
        const over = await one.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 1) wrong.push(`${where}: ${over} px wider than the window`);
        if (process.env.SHELF_SHOTS)
          await one.page.screenshot({
            path: `${process.env.SHELF_SHOTS}/${where.replaceAll(/[/ ]+/g, "_")}.png`,
          });
      }
      clean(one);
      await one.context.close();
    }
  }
  assert.deepEqual(wrong, []);
}

/** Nothing that a name, a log line or a file says is taken for markup or a terminal's command. */
export async function hostile(server, browser) {
  const one = await person(browser, server);
  const { page } = one;
  await page.goto(server.origin);
  const make = await page.evaluate(async () => {
    const answer = await fetch("/v1/apps", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "hostile", from: { empty: true } }),
    });
    return answer.status;
  });
  assert.ok(make < 300, `POST /v1/apps answered ${make}`);
  const text =
    'app = "hostile"\n\n[a]\nsource = "./<img src=x onerror=window.hit=1>"\nenv = { X = "</script><script>window.hit=1</script>" }\nrun = { a = { port = 80 } }\n';
  const put = await page.evaluate(async (text) => {
    const { revision } = await (await fetch("/v1/apps/hostile/file")).json();
    const answer = await fetch("/v1/apps/hostile/file", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text, revision }),
    });
    return [answer.status, await answer.text()];
  }, text);
  assert.ok(put[0] < 500, put[1]);
  for (const path of ["/apps/hostile", "/apps/hostile/file", "/apps/hostile/plan"]) {
    await page.goto(server.origin + path);
    await settled(page);
    assert.equal(await page.evaluate(() => window.hit), undefined, `${path} ran what the file says`);
  }
  clean(one);
  await one.context.close();
}

/** The policy that comes with each page, and who may ask. */
export async function policy(server) {
  const answer = await fetch(`${server.origin}/`);
  const policy = answer.headers.get("content-security-policy") ?? "";
  for (const word of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"])
    assert.ok(policy.includes(word), policy);
  assert.ok(!/script-src[^;]*unsafe/.test(policy), policy);
  assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  for (const path of ["/v1/apps", "/v1/catalogue", "/v1/system", "/v1/stream?app=x"]) {
    assert.equal((await fetch(server.origin + path)).status, 401, `${path} answers strangers`);
  }
}
