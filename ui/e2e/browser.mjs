// Debian's Chromium, one context for each person; a page that breaks a promise fails the test:
// a request off the origin, an error on the console, a violated content policy.
import { chromium } from "playwright-core";
import { eventually, PATIENCE } from "./server.mjs";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--font-render-hinting=none",
  "--force-color-profile=srgb",
  // A foreign name that was made to point at this machine.
  "--host-resolver-rules=MAP evil.example 127.0.0.1",
];

export const open = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
  });

/** A signed-in page. `wrongs` collects what must not happen; check it with `clean`. */
export async function person(browser, server, options = {}) {
  const {
    name = "Ada Lovelace",
    theme = "light",
    width = 1440,
    height = 900,
    reducedMotion = "reduce",
  } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion,
  });
  context.setDefaultTimeout(30_000 * PATIENCE);
  const page = await context.newPage();
  const wrongs = [];
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.origin !== server.origin) wrongs.push(`asked ${url}`);
  });
  page.on("console", (message) => {
    const text = message.text();
    // An answer other than 200 is part of the protocol; a lost connection is a drill's doing.
    if (message.type() === "error" && !/Failed to load resource|ERR_/.test(text))
      wrongs.push(`console: ${text}`);
  });
  page.on("pageerror", (error) => wrongs.push(`page: ${error}`));
  await page.goto(server.link(name));
  await page.waitForURL((url) => !url.pathname.startsWith("/open"));
  // The address is tidied before the token is exchanged; signed in is who is known.
  // (A promise is true before it is kept, so the answer itself is waited for.)
  await eventually(20, "signed in", async () => {
    const { ok, status } = await page.evaluate(async () => {
      const { ok, status } = await fetch("/v1/me");
      return { ok, status };
    });
    if (!ok) throw new Error(`/v1/me answered ${status}`);
  });
  return { context, page, wrongs };
}

/** What the page looked like when a test gave up, for who has to find out why. */
export async function picture(browser, name) {
  const folder = process.env.SHELF_SHOTS;
  if (!folder) return;
  let number = 0;
  for (const context of browser.contexts())
    for (const page of context.pages()) {
      number += 1;
      await page.screenshot({ path: `${folder}/failed-${name}-${number}.png` }).catch(() => {});
      await context.close();
    }
}

/** Throws if something happened that must not. */
export function clean({ wrongs }) {
  if (wrongs.length > 0) throw new Error(`the page did what it must not:\n  ${wrongs.join("\n  ")}`);
}
