// The address as a QR code, to be opened on a phone; with the truth about whether a phone gets there.
import { useMemo } from "react";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { toast } from "../parts/Live";
import { useCanvas } from "../state/canvas";
import { encode } from "./encode";
import "./qr.css";

/** Light cells around the code, which readers need. */
const QUIET = 4;

/** Whether an address means the machine that asks, so that a phone would ask itself. */
export function onlyHere(url: string): boolean {
  try {
    const { hostname } = new URL(url);
    return /(^|\.)localhost$|^127\.|^\[::1\]$/.test(hostname);
  } catch {
    return true;
  }
}

export function QrDialog({ url }: { url: string }) {
  const code = useMemo(() => encode(url), [url]);
  const close = () => useCanvas.getState().put({ qr: null });
  const size = (code?.length ?? 0) + 2 * QUIET;
  const path = (code ?? [])
    .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : "")))
    .join("");
  return (
    <Dialog
      open
      onClose={close}
      title="Open it on a phone"
      actions={
        <>
          <Button
            onClick={() =>
              void navigator.clipboard.writeText(url).then(
                () => toast("Address copied"),
                () => toast("The browser did not allow copying", { tone: "bad" }),
              )
            }
          >
            Copy the address
          </Button>
          <Button weight="primary" onClick={close}>
            Done
          </Button>
        </>
      }
    >
      <div className="qr">
        {code ? (
          <svg
            viewBox={`0 0 ${size} ${size}`}
            role="img"
            aria-label={`QR code of ${url}`}
            shapeRendering="crispEdges"
          >
            <rect width={size} height={size} fill="#ffffff" />
            <path d={path} fill="#000000" />
          </svg>
        ) : (
          <p>The address is too long for a code that a phone reads well.</p>
        )}
        <p className="mono">{url}</p>
        {onlyHere(url) && (
          <p className="muted small">
            This address means "this machine": a phone that reads it would ask itself. Give the app a name
            that your network knows, or let the front door listen for others with{" "}
            <code>shelf serve --http 0.0.0.0:80</code>.
          </p>
        )}
      </div>
    </Dialog>
  );
}
