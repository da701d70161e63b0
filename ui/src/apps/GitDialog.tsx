// The address that takes an app's `git push`, with a key that is shown once. Where next:
// crates/web/src/git.rs.
import { useState } from "react";
import { type Answer, appPath, post, remove } from "../api/client";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { announce, toast } from "../parts/Live";

interface Key {
  url: string;
  branch: string;
  username: string;
  password: string;
}

export function GitDialog({ app, onClose }: { app: string; onClose(): void }) {
  const [key, setKey] = useState<Key | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const asked = async <T,>(what: Promise<Answer<T>>): Promise<T | null> => {
    setBusy(true);
    const answer = await what;
    setBusy(false);
    setError(answer.ok ? null : [answer.error.message, answer.error.hint].filter(Boolean).join(". "));
    return answer.ok ? answer.value : null;
  };
  const make = async () => {
    const made = await asked(post<Key>(appPath(app, "/git")));
    if (made) announce("A key is made; it is shown once");
    setKey(made ?? key);
  };
  const end = async () => {
    const gone = await asked(remove<{ ended: number }>(appPath(app, "/git")));
    if (!gone) return;
    setKey(null);
    toast(`No key opens ${app} any more; ${gone.ended} ended`, { command: `shelf -a ${app} git --revoke` });
  };
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={`git push to ${app}`}
      actions={
        <>
          <Button disabled={busy} onClick={() => void end()}>
            End all keys
          </Button>
          <Button weight="primary" disabled={busy} onClick={() => void make()}>
            {key ? "Another key" : "Make a key"}
          </Button>
        </>
      }
    >
      <div className="stack">
        <p>
          A push to this server builds the app and goes, as <code>shelf push</code> does. It runs no hook of
          whoever pushes, and wants a key.
        </p>
        {key && (
          <>
            <pre>
              <code>{`git remote add shelf ${key.url}\ngit push shelf HEAD:${key.branch}`}</code>
            </pre>
            <dl className="go-secrets">
              <div>
                <dt>username</dt>
                <dd>
                  <code>{key.username}</code>
                </dd>
              </div>
              <div>
                <dt>password</dt>
                <dd>
                  <code>{key.password}</code>
                </dd>
              </div>
            </dl>
            <p className="muted">Shown once, now.</p>
          </>
        )}
        {error && (
          <p className="field-errors" role="alert">
            {error}
          </p>
        )}
      </div>
    </Dialog>
  );
}
