// What a test asks of the server as the person of a page: same origin, same session, same limits.

/** Any verb; `{status, body}`. */
export const ask = (page, method, path, body) =>
  page.evaluate(
    async ([method, path, body]) => {
      const headers = body === undefined ? {} : { "content-type": "application/json" };
      const answer = await fetch(path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await answer.text();
      let read = text;
      try {
        read = JSON.parse(text);
      } catch {
        // Some answers are not JSON: none at all, or lines.
      }
      return { status: answer.status, body: read };
    },
    [method, path, body],
  );

/** The same, where anything but success is a failure of the test. */
export async function must(page, method, path, body) {
  const answer = await ask(page, method, path, body);
  if (answer.status >= 300)
    throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

export const makeApp = (page, name, from = { empty: true }) => must(page, "POST", "/v1/apps", { name, from });

export const modelOf = (page, app) => must(page, "GET", `/v1/apps/${app}/model`);
export const fileOf = (page, app) => must(page, "GET", `/v1/apps/${app}/file`);

/** Writes the whole file, as an editor on the canvas does. */
export async function write(page, app, text) {
  const { revision } = await fileOf(page, app);
  return must(page, "PUT", `/v1/apps/${app}/file`, { text, revision });
}

/** An app of so many blocks: every fourth a database, the others sources with two wires each. */
export function bigFile(app, blocks) {
  const databases = Math.floor(blocks / 4);
  const parts = [`app = "${app}"   # drawn by a test\n`];
  for (let n = 0; n < databases; n += 1) parts.push(`[db${n}]\nuse = "postgres@15"   # number ${n}\n`);
  for (let n = 0; n < blocks - databases; n += 1) {
    const [a, b] = [n % databases, (n * 7 + 3) % databases];
    parts.push(
      `[web${n}]\nsource = "./web"\nneeds = { a = "postgres/1", b = "postgres/1" }\n` +
        `wire = { a = "db${a}", b = "db${b}" }\nrun = { web = { port = 8080 } }\n`,
    );
  }
  return parts.join("\n");
}
