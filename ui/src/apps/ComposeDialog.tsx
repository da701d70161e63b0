// A compose file, read here in the browser: what each service becomes on the shelf, and the commands
// that make it so. The server does not import compose files yet, and this says so.
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { queries } from "../api/queries";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { Field } from "../parts/Field";
import { toast } from "../parts/Live";
import { Badge } from "../parts/Status";
import { advise, services } from "./compose";

export function ComposeDialog(props: { open: boolean; onClose(): void; onFolder(): void }) {
  const [text, setText] = useState("");
  const catalogue = useQuery(queries.catalogue());
  const found = useMemo(() => services(text), [text]);
  const modules = catalogue.data?.modules ?? [];
  const advice = found.map((service) => ({ service, advice: advise(service, modules) }));
  const commands = advice.flatMap((one) => (one.advice.kind === "none" ? [] : [one.advice.command]));
  return (
    <Dialog
      open={props.open}
      onClose={props.onClose}
      wide
      title="From a compose file"
      actions={
        <>
          <Button onClick={props.onFolder}>Open its folder as an app</Button>
          <Button
            weight="primary"
            disabled={commands.length === 0}
            onClick={() =>
              void navigator.clipboard.writeText(`${commands.join("\n")}\n`).then(
                () => toast("The commands are copied"),
                () => toast("The browser did not allow copying", { tone: "bad" }),
              )
            }
          >
            Copy the commands
          </Button>
        </>
      }
    >
      <div className="stack">
        <p>
          A compose file is not imported as a whole: networks, volumes and passwords are made by wires here.
          Paste it to see what each service becomes; nothing leaves this page.
        </p>
        <Field label="docker-compose.yml">
          {(field) => (
            <textarea
              {...field}
              className="mono"
              rows={8}
              spellCheck={false}
              value={text}
              onChange={(event) => setText(event.target.value)}
              placeholder={"services:\n  db:\n    image: postgres:15\n  web:\n    build: ./web"}
            />
          )}
        </Field>
        {text !== "" && found.length === 0 && <p className="muted">No services are found in this text.</p>}
        {advice.length > 0 && (
          <table className="compose">
            <thead>
              <tr>
                <th scope="col">Service</th>
                <th scope="col">Becomes</th>
                <th scope="col">Command</th>
              </tr>
            </thead>
            <tbody>
              {advice.map(({ service, advice: it }) => (
                <tr key={service.name}>
                  <th scope="row">{service.name}</th>
                  <td>
                    {it.kind === "module" && (
                      <>
                        <Badge tone={it.version === null ? "good" : "warn"}>{it.module}</Badge>
                        {it.version !== null && <small className="muted"> {it.version}</small>}
                      </>
                    )}
                    {it.kind === "source" && <Badge tone="busy">your source in {it.path}</Badge>}
                    {it.kind === "none" && (
                      <>
                        <Badge tone="warn">nothing yet</Badge> <small className="muted">{it.why}</small>
                      </>
                    )}
                  </td>
                  <td>{it.kind === "none" ? "–" : <code>{it.command}</code>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </Dialog>
  );
}
