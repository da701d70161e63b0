// A block that runs an image somebody else built: its name in a registry, and the port where it listens.
import { useState } from "react";
import { Ask } from "../parts/Ask";
import { Field } from "../parts/Field";
import { NewName, TextField } from "../parts/TextField";
import type { Dropped } from "../state/canvas";
import { useEdits } from "../state/edits";
import { isName } from "../state/names";
import { addOwn } from "./add";
import { nameIn } from "./image";

export function AddImage(props: { app: string; dropped: Dropped; onClose(): void }) {
  const { app, dropped, onClose } = props;
  const [image, setImage] = useState(dropped.name);
  const [port, setPort] = useState("");
  const [name, setName] = useState("");
  const refused = useEdits((it) => it.refused[FIELD]);
  const wish = name || nameIn(image);
  const badPort = port !== "" && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535);
  const badName = name !== "" && !isName(name);
  const ready = image.trim() !== "" && !badPort && !badName;
  const add = async () => {
    const from = { image: image.trim(), ...(port !== "" && { port: Number(port) }) };
    if (await addOwn(app, from, wish, dropped.at, FIELD)) onClose();
  };
  return (
    <Ask onClose={onClose} title="Add an image" leave="Cancel" act="Add it" onAct={add} ready={ready}>
      <TextField
        label="Image"
        help="It is fetched at Go, with the login of shelf login where the registry wants one."
        errors={refused}
        className="mono"
        placeholder="ghcr.io/org/web:1.4"
        autoComplete="off"
        value={image}
        onChange={setImage}
      />
      <Field
        label="Port"
        help="Where it listens; left empty, what the image says of itself."
        errors={badPort ? ["A number from 1 to 65535."] : []}
      >
        {(field) => (
          <input
            {...field}
            inputMode="numeric"
            value={port}
            onChange={(event) => setPort(event.target.value.trim())}
          />
        )}
      </Field>
      <NewName label="Name of the block" placeholder={wish} value={name} onChange={setName} />
    </Ask>
  );
}

/** Where a refusal of the name is shown. */
const FIELD = "add.image";
