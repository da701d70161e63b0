// Turns the one-time token of a link (`/open#token`, at a target `/on/NAME/open#token`) into a cookie, and takes it out of the address
// and the history at once. Where next: main.tsx.
import { call } from "./client";
import { base } from "./target";

export async function openSession(): Promise<void> {
  if (location.pathname !== `${base}/open` || location.hash.length < 2) return;
  const token = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", `${base}/`);
  // A used or wrong token leaves the old session, if any: `me` then says what is missing.
  await call("POST", "/v1/session", { token });
}
