// Counts visits: the store comes over the wire `store`, as STORE_URL.
const http = require("http");
const redis = require("redis");

const store = redis.createClient({ url: process.env.STORE_URL });
store.on("error", (error) => console.error(error.message));

const server = http.createServer(async (request, response) => {
  try {
    if (request.url === "/healthz") {
      await store.ping();
      response.end("ok");
    } else {
      const visits = await store.incr("visits");
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(`<!doctype html><html lang="en"><title>Counter</title><h1>Visit ${visits}</h1></html>`);
    }
  } catch (error) {
    response.statusCode = 503;
    response.end(error.message);
  }
});

store.connect().then(() => server.listen(8080));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
